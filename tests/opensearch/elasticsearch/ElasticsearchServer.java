import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.elasticsearch.Build;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;

/**
 * Elasticsearch with one node on a free loopback port, for tests.
 *
 * <p>Arguments: the directory for its data, and the jars of the module for HTTP, separated by colons. All
 * other jars have to be on the module path. Writes its URL as one line to standard output once it answers,
 * and ends when standard input does, so that it never outlives the test that started it.
 */
public final class ElasticsearchServer {
  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2) {
      throw new IllegalArgumentException("wanted: HOME JARS");
    }
    var url = System.out;
    System.setOut(System.err); // whatever Elasticsearch says must not get between
    Path home = Path.of(arguments[0]).toAbsolutePath();
    Path configuration = Files.createDirectories(home.resolve("config"));
    Files.createDirectories(home.resolve("plugins"));
    installHttp(home.resolve("modules").resolve("transport-netty4"), arguments[1].split(":"));
    int port = freePort();
    Settings settings =
        Settings.builder()
            .put("cluster.name", "tests")
            .put("node.name", "node")
            .put("path.home", home.toString())
            .put("path.data", home.resolve("data").toString())
            .put("path.logs", Files.createDirectories(home.resolve("logs")).toString())
            .put("network.host", "127.0.0.1")
            .put("http.port", port)
            .put("transport.port", freePort())
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    LogConfigurator.configureWithoutConfig(settings);
    new Node(new Environment(settings, configuration)).start();
    url.println("http://127.0.0.1:" + port);
    while (System.in.read() >= 0) {
      // nothing that is said to us matters, only that somebody is there
    }
    // Its data is deleted with the test; nobody waits for an orderly end.
    Runtime.getRuntime().halt(0);
  }

  /** Lays out a module as it is in a distribution. */
  private static void installHttp(Path module, String[] jars) throws Exception {
    Files.createDirectories(module);
    for (String jar : jars) {
      Files.copy(Path.of(jar), module.resolve(Path.of(jar).getFileName()));
    }
    String version = Build.current().version();
    Files.writeString(
        module.resolve("plugin-descriptor.properties"),
        String.join(
            "\n",
            "name=transport-netty4",
            "description=HTTP",
            "version=" + version,
            "elasticsearch.version=" + version,
            "java.version=17",
            "classname=org.elasticsearch.transport.netty4.Netty4Plugin",
            ""));
  }

  /** A port that nobody listens on. */
  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
