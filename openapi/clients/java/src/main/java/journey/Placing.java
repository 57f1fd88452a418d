package journey;

import harbor.client.ApiException;
import harbor.client.api.OrdersApi;
import harbor.client.model.Order;
import harbor.client.model.OrderRequest;

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
        String after = retryAfter(failure);
        boolean refused = after.isEmpty() && !isTemporary(failure.getCode());
        if (refused || attempt == ATTEMPTS) {
          throw failure;
        }
        Thread.sleep(1000 * (after.matches("\\d{1,4}") ? Long.parseLong(after) : attempt));
      }
    }
  }

  /** What there is no status of was not answered. */
  private static boolean isTemporary(int status) {
    return status == 0 || status == 408 || status == 429 || status >= 500;
  }

  private static String retryAfter(ApiException failure) {
    return failure.getCode() == 0
        ? ""
        : failure.getResponseHeaders().firstValue("Retry-After").orElse("");
  }
}
