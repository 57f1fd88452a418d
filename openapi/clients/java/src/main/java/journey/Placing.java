package journey;

import harbor.client.ApiException;
import harbor.client.api.OrdersApi;
import harbor.client.model.Order;
import harbor.client.model.OrderRequest;
import java.util.Optional;

final class Placing {
  private static final int ATTEMPTS = 5;

  private Placing() {}

  /** One order, however often it has to be asked for. Keep the key beside what you order it for. */
  static Order place(OrdersApi orders, String key, OrderRequest request)
      throws ApiException, InterruptedException {
    for (int attempt = 1; ; attempt++) {
      try {
        return orders.placeOrder(key, request);
      } catch (ApiException failure) {
        boolean answered = failure.getCode() != 0;
        Optional<String> seconds =
            answered
                ? failure.getResponseHeaders().firstValue("Retry-After")
                : Optional.empty();
        boolean refused = answered && failure.getCode() < 500 && seconds.isEmpty();
        if (refused || attempt == ATTEMPTS) {
          throw failure;
        }
        Thread.sleep(1000 * seconds.map(Long::parseLong).orElse((long) attempt));
      }
    }
  }
}
