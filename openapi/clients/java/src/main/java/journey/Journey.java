package journey;

import com.fasterxml.jackson.core.JsonProcessingException;
import harbor.client.ApiClient;
import harbor.client.ApiException;
import harbor.client.ApiResponse;
import harbor.client.api.EventsApi;
import harbor.client.api.OrdersApi;
import harbor.client.api.PaymentsApi;
import harbor.client.api.WebhooksApi;
import harbor.client.model.CaptureMethod;
import harbor.client.model.CaptureRequest;
import harbor.client.model.Event;
import harbor.client.model.EventType;
import harbor.client.model.WebhookEndpointWithSecret;
import harbor.client.model.Order;
import harbor.client.model.OrderList;
import harbor.client.model.OrderRequest;
import harbor.client.model.OrderStatus;
import harbor.client.model.OrderWebhook;
import harbor.client.model.Problem;
import harbor.client.model.ProblemCode;
import harbor.client.model.ProblemError;
import harbor.client.model.Refund;
import harbor.client.model.RefundRequest;
import harbor.client.model.WebhookEndpointRequest;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;

/** What a partner does with Harbor, with the client that was generated for Java. */
public final class Journey {
  private final ApiClient client;
  private final OrdersApi orders;
  private final OrdersApi losing;
  private final PaymentsApi payments;
  private final EventsApi events;
  private final WebhooksApi webhooks;
  private final Receiver receiver;

  private Journey(ApiClient client, ApiClient losing, Receiver receiver) {
    this.client = client;
    this.receiver = receiver;
    orders = new OrdersApi(client);
    this.losing = new OrdersApi(losing);
    payments = new PaymentsApi(client);
    events = new EventsApi(client);
    webhooks = new WebhooksApi(client);
  }

  /** Takes HARBOR_URL, HARBOR_LOSING_URL and HARBOR_API_KEY. */
  public static void main(String[] arguments) throws Exception {
    ApiClient client = client("HARBOR_URL");
    try (Receiver receiver = new Receiver(client.getObjectMapper())) {
      new Journey(client, client("HARBOR_LOSING_URL"), receiver).travel();
    }
  }

  private static ApiClient client(String url) {
    String key = env("HARBOR_API_KEY");
    ApiClient client = new ApiClient();
    client.updateBaseUri(env(url));
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
    return client;
  }

  private static String env(String name) {
    return Objects.requireNonNull(System.getenv(name), name);
  }

  private void travel() throws Exception {
    register();
    UUID id = placeTwice();
    beRefused();
    Order authorized = told(EventType.ORDER_AUTHORIZED, id);
    refundTooEarly(id);
    captureAndRefund(authorized);
    fetch(id);
    readEvents();
    placeThoughItIsLost();
    listAll();
    refuseForgery();
    readWhatIsNew();
  }

  private void register() throws Exception {
    List<EventType> told =
        List.of(EventType.ORDER_AUTHORIZED, EventType.ORDER_PAID, EventType.ORDER_REFUNDED);
    WebhookEndpointRequest request =
        new WebhookEndpointRequest().url(receiver.url()).eventTypes(told);
    WebhookEndpointWithSecret endpoint = webhooks.createWebhookEndpoint(aKey(), request);
    receiver.expect(endpoint.getSecret());
    step("register a webhook endpoint");
  }

  private UUID placeTwice() throws ApiException {
    OrderRequest request =
        order("cus/42", 1999, "EUR")
            .captureMethod(CaptureMethod.MANUAL)
            .metadata(Map.of("department", "procurement"));
    String key = aKey();
    ApiResponse<Order> first = orders.placeOrderWithHttpInfo(key, request);
    expect(201, first.getStatusCode());
    expect(Map.of("department", "procurement"), first.getData().getMetadata());
    expect(null, first.getData().getFailure());
    step("place an order");
    ApiResponse<Order> again = orders.placeOrderWithHttpInfo(key, request);
    expect(200, again.getStatusCode());
    expect(List.of("true"), again.getHeaders().get("idempotent-replayed"));
    expect(first.getData(), again.getData());
    step("retry it: the same order");
    return first.getData().getId();
  }

  private void beRefused() throws Exception {
    Problem problem = refused(422, () -> orders.placeOrder(aKey(), order("cus/42", 0, "EUR")));
    expect(ProblemCode.VALIDATION_FAILED, problem.getCode());
    List<String> pointers = problem.getErrors().stream().map(ProblemError::getPointer).toList();
    expect(List.of("/amount_cents"), pointers);
    step("handle a 422");
  }

  private Order told(EventType event, UUID id) throws InterruptedException {
    OrderWebhook webhook = receiver.next();
    expect(event, webhook.getType());
    expect(id, webhook.getData().getOrder().getId());
    step("be told of " + event);
    return webhook.getData().getOrder();
  }

  private void refundTooEarly(UUID id) throws Exception {
    Problem problem =
        refused(409, () -> payments.refundOrder(id, aKey(), null, new RefundRequest()));
    expect(ProblemCode.ORDER_IS_AUTHORIZED, problem.getCode());
    step("handle a 409");
  }

  private void captureAndRefund(Order order) throws Exception {
    UUID id = order.getId();
    String seen = "\"" + order.getVersion() + "\"";
    ApiResponse<Order> captured =
        payments.captureOrderWithHttpInfo(id, aKey(), seen, new CaptureRequest());
    expect(202, captured.getStatusCode());
    step("capture it");
    expect(1999L, told(EventType.ORDER_PAID, id).getAmountCapturedCents());
    RefundRequest part = new RefundRequest().amountCents(500L).reason("one item was broken");
    Refund refund = payments.refundOrder(id, aKey(), null, part);
    expect(500L, refund.getAmountCents());
    step("refund a part");
    expect(500L, told(EventType.ORDER_REFUNDED, id).getAmountRefundedCents());
  }

  private void fetch(UUID id) throws ApiException {
    ApiResponse<Order> fetched = orders.getOrderWithHttpInfo(id, null);
    expect(OrderStatus.PARTIALLY_REFUNDED, fetched.getData().getStatus());
    String etag = fetched.getHeaders().get("etag").get(0);
    try {
      orders.getOrder(id, etag);
      throw new IllegalStateException("it has not changed");
    } catch (ApiException same) {
      expect(304, same.getCode());
    }
    step("fetch it");
  }

  private void readEvents() throws ApiException {
    Set<EventType> wanted =
        new LinkedHashSet<>(List.of(EventType.ORDER_PAID, EventType.ORDER_REFUNDED));
    List<Event> found = events.listEvents(null, wanted, null).getData();
    expect(List.copyOf(wanted), found.stream().map(Event::getType).toList());
    step("read two types of events");
  }

  private void placeThoughItIsLost() throws ApiException, InterruptedException {
    String key = aKey();
    OrderRequest request = order("cus/43", 100, "JPY");
    Order placed = Placing.place(losing, key, request);
    expect(placed, orders.placeOrder(key, request));
    step("place an order whose answer is lost");
  }

  private void listAll() throws ApiException, InterruptedException {
    for (int count = 1; count < 4; count++) {
      OrderRequest request = order("cus/43", 100 + count, "JPY");
      expect(request.getAmountCents(), Placing.place(orders, aKey(), request).getAmountCents());
    }
    List<Integer> sizes = new ArrayList<>();
    String cursor = null;
    do {
      OrderList page = orders.listOrders(2, cursor, null, null, null, null, null);
      sizes.add(page.getData().size());
      cursor = page.getNextCursor();
    } while (cursor != null);
    expect(List.of(2, 2, 1), sizes);
    step("page through all orders");
  }

  private void refuseForgery() throws Exception {
    HttpRequest forged =
        HttpRequest.newBuilder(URI.create(receiver.url()))
            .header("webhook-id", "forged")
            .header("webhook-timestamp", Long.toString(Instant.now().getEpochSecond()))
            .header("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=")
            .POST(BodyPublishers.ofString("{}"))
            .build();
    expect(400, HttpClient.newHttpClient().send(forged, BodyHandlers.discarding()).statusCode());
    step("refuse a forged webhook");
  }

  /** What a newer Harbor may say. */
  private void readWhatIsNew() throws JsonProcessingException {
    String said = "{\"code\": \"order_is_on_hold\", \"status\": 409, \"more\": true}";
    Problem problem = client.getObjectMapper().readValue(said, Problem.class);
    expect(ProblemCode.UNKNOWN_DEFAULT_OPEN_API, problem.getCode());
  }

  private interface Call {
    void run() throws ApiException;
  }

  /** Why a call was refused. */
  private Problem refused(int status, Call call) throws JsonProcessingException {
    try {
      call.run();
    } catch (ApiException refusal) {
      expect(status, refusal.getCode());
      return client.getObjectMapper().readValue(refusal.getResponseBody(), Problem.class);
    }
    throw new IllegalStateException("it was not refused");
  }

  private static OrderRequest order(String customer, long amount, String currency) {
    return new OrderRequest().customerId(customer).amountCents(amount).currency(currency);
  }

  private static String aKey() {
    return UUID.randomUUID().toString();
  }

  private static void step(String name) {
    System.out.println("step: " + name);
  }

  private static void expect(Object expected, Object found) {
    if (!Objects.equals(expected, found)) {
      throw new IllegalStateException("expected " + expected + ", found " + found);
    }
  }
}
