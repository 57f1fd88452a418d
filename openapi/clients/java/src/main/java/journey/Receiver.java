package journey;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import harbor.client.model.OrderWebhook;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Receives Harbor's webhooks and hands them on, once they are verified. */
final class Receiver implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 30;

  private final HttpServer server;
  private final ObjectMapper mapper;
  private final BlockingQueue<OrderWebhook> told = new LinkedBlockingQueue<>();
  private volatile Webhook webhook;

  Receiver(ObjectMapper mapper) throws IOException {
    this.mapper = mapper;
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/harbor", this::receive);
    server.start();
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort() + "/harbor";
  }

  void expect(String secret) throws Exception {
    webhook = new Webhook(secret);
  }

  /** The next one that is told. */
  OrderWebhook next() throws InterruptedException {
    OrderWebhook next = told.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
    if (next == null) {
      throw new IllegalStateException("no webhook came");
    }
    return next;
  }

  @Override
  public void close() {
    server.stop(0);
  }

  private void receive(HttpExchange exchange) throws IOException {
    try (exchange) {
      String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      HttpHeaders headers = HttpHeaders.of(exchange.getRequestHeaders(), (name, value) -> true);
      exchange.sendResponseHeaders(accept(body, headers), -1);
    }
  }

  private int accept(String body, HttpHeaders headers) throws IOException {
    try {
      webhook.verify(body, headers);
    } catch (WebhookVerificationException refused) {
      return 400;
    }
    told.add(mapper.readValue(body, OrderWebhook.class));
    return 204;
  }
}
