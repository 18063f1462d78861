import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * Runs DynamoDB Local on loopback only; Java runs this file as it is.
 *
 * Its own command line has a port and no address, and binds every interface. The web server inside
 * is private, so it is reached by reflection before it starts.
 */
final class RunDynamodb {
    public static void main(String[] words) throws Exception {
        DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(words);
        var inside = DynamoDBProxyServer.class.getDeclaredField("server");
        inside.setAccessible(true);
        for (Connector each : ((Server) inside.get(local)).getConnectors()) {
            ((ServerConnector) each).setHost("127.0.0.1");
        }
        local.safeStart();
        local.join();
    }
}
