import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.EnumSet;
import javax.servlet.DispatcherType;
import org.apache.solr.servlet.CoreContainerProvider;
import org.apache.solr.servlet.SolrDispatchFilter;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.DefaultServlet;
import org.eclipse.jetty.servlet.ServletContextHandler;

/**
 * Solr with one core called "biblio" on a free loopback port, for tests.
 *
 * <p>Arguments: the directory of the core's configuration, and one for the index; then "cloud" for a
 * SolrCloud of one node with its own ZooKeeper, where "biblio" is an alias of the collection
 * "biblio_1" and "biblio" the name of the configuration. Writes the URL of "biblio" as one line to
 * standard output once it answers, and ends when standard input does, so that it never outlives the
 * test that started it.
 */
public final class SolrServer {
  private static final String CORE = "biblio";

  public static void main(String[] arguments) throws Exception {
    boolean cloud = arguments.length == 3 && arguments[2].equals("cloud");
    if (arguments.length != 2 && !cloud) {
      throw new IllegalArgumentException("wanted: CONFIGURATION HOME [cloud]");
    }
    var url = System.out;
    System.setOut(System.err); // whatever Solr says must not get between
    Path home = Path.of(arguments[1]).toAbsolutePath();
    String wanted = System.getenv("SOLR_PORT"); // to come back where it was
    int port = wanted == null ? 0 : Integer.parseInt(wanted);
    if (cloud) {
      port = port == 0 ? freePort() : port; // other nodes would have to know it, so it is set before Solr starts
      Path configuration = home.resolve("configuration");
      copyConfiguration(Path.of(arguments[0]), configuration);
      Files.writeString(
          home.resolve("solr.xml"),
          "<solr><solrcloud><str name=\"host\">127.0.0.1</str><int name=\"hostPort\">"
              + port
              + "</int><str name=\"hostContext\">solr</str></solrcloud></solr>");
      Files.writeString(
          home.resolve("zoo.cfg"),
          "tickTime=2000\ninitLimit=10\nsyncLimit=5\nclientPortAddress=127.0.0.1\n");
      System.setProperty("zkRun", ""); // listens a thousand ports above
      System.setProperty("solr.http1", "true"); // of nodes among each other; this Jetty has no HTTP/2
      System.setProperty("zookeeper.admin.enableServer", "false");
      System.setProperty("bootstrap_confdir", configuration.toString());
      System.setProperty("collection.configName", CORE);
    } else {
      Files.createDirectories(home.resolve(CORE));
      copyConfiguration(Path.of(arguments[0]), home.resolve(CORE).resolve("conf"));
      Files.writeString(home.resolve("solr.xml"), "<solr></solr>");
      Files.writeString(
          home.resolve(CORE).resolve("core.properties"), "name=" + CORE + "\ndataDir=data\n");
    }
    System.setProperty("solr.solr.home", home.toString());
    System.setProperty("solr.log.dir", home.toString());

    Server server = new Server();
    ServerConnector loopback = new ServerConnector(server);
    loopback.setHost("127.0.0.1");
    loopback.setPort(port);
    server.addConnector(loopback);
    ServletContextHandler solr = new ServletContextHandler(server, "/solr");
    solr.setResourceBase(Files.createDirectories(home.resolve("empty")).toString());
    solr.addEventListener(new CoreContainerProvider());
    solr.addFilter(SolrDispatchFilter.class, "/*", EnumSet.of(DispatcherType.REQUEST));
    solr.addServlet(DefaultServlet.class, "/"); // says 404 to what no core takes
    server.start();

    String base = "http://127.0.0.1:" + loopback.getLocalPort() + "/solr/";
    if (cloud) {
      String collections = base + "admin/collections?action=";
      await(
          collections
              + "CREATE&name=biblio_1&numShards=1&replicationFactor=1&collection.configName="
              + CORE);
      await(collections + "CREATEALIAS&name=" + CORE + "&collections=biblio_1");
    }
    String core = base + CORE;
    await(core + "/select?q=*:*&rows=0");
    url.println(core);
    while (System.in.read() >= 0) {
      // nothing that is said to us matters, only that somebody is there
    }
    server.stop();
    System.exit(0);
  }

  /** Waits until Solr, which loads after the port is open, says yes. */
  private static void await(String url) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(30)).build();
    String last = "";
    for (long end = System.nanoTime() + 60_000_000_000L; System.nanoTime() < end; Thread.sleep(50)) {
      var answer = client.send(request, BodyHandlers.ofString());
      if (answer.statusCode() == 200) {
        return;
      }
      last = answer.body();
    }
    System.err.println("this does not go well: " + url + ": " + last);
    System.exit(1);
  }

  /** A port that nobody listens on. */
  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** Copies the configuration of a core without what needs jars that only VuFind has. */
  private static void copyConfiguration(Path configuration, Path to) throws Exception {
    Files.walkFileTree(
        configuration,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws java.io.IOException {
            Path target = to.resolve(configuration.relativize(file));
            Files.createDirectories(target.getParent());
            Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
            target.toFile().setWritable(true);
            return FileVisitResult.CONTINUE;
          }
        });
    Path solrconfig = to.resolve("solrconfig.xml");
    String text = Files.readString(solrconfig);
    text = text.replaceAll("(?s)<requestHandler [^>]*class=\"org\\.vufind\\..*?</requestHandler>", "");
    Files.writeString(solrconfig, text);
  }
}
