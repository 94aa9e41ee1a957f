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
 * <p>Arguments: the directory of the core's configuration, and one for the index. Writes the core's
 * URL as one line to standard output once it answers, and ends when standard input does, so that it
 * never outlives the test that started it.
 */
public final class SolrServer {
  private static final String CORE = "biblio";

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2) {
      throw new IllegalArgumentException("wanted: CONFIGURATION HOME");
    }
    var url = System.out;
    System.setOut(System.err); // whatever Solr says must not get between
    Path home = Path.of(arguments[1]).toAbsolutePath();
    writeHome(Path.of(arguments[0]), home);
    System.setProperty("solr.solr.home", home.toString());
    System.setProperty("solr.log.dir", home.toString());

    Server server = new Server();
    ServerConnector loopback = new ServerConnector(server);
    loopback.setHost("127.0.0.1");
    server.addConnector(loopback);
    ServletContextHandler solr = new ServletContextHandler(server, "/solr");
    solr.setResourceBase(Files.createDirectories(home.resolve("empty")).toString());
    solr.addEventListener(new CoreContainerProvider());
    solr.addFilter(SolrDispatchFilter.class, "/*", EnumSet.of(DispatcherType.REQUEST));
    solr.addServlet(DefaultServlet.class, "/"); // says 404 to what no core takes
    server.start();

    String core = "http://127.0.0.1:" + loopback.getLocalPort() + "/solr/" + CORE;
    await(core + "/select?q=*:*&rows=0");
    url.println(core);
    while (System.in.read() >= 0) {
      // nothing that is said to us matters, only that somebody is there
    }
    server.stop();
    System.exit(0);
  }

  /** Waits until the core, which loads after the port is open, answers. */
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
    System.err.println("the core does not load: " + last);
    System.exit(1);
  }

  /** One core, its configuration copied without what needs jars that only VuFind has. */
  private static void writeHome(Path configuration, Path home) throws Exception {
    Path core = home.resolve(CORE);
    Path to = core.resolve("conf");
    Files.createDirectories(to);
    Files.writeString(home.resolve("solr.xml"), "<solr></solr>");
    Files.writeString(core.resolve("core.properties"), "name=" + CORE + "\ndataDir=data\n");
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
