/* A load generator for the benchmarks: HTTP/1.1 with keep-alive to 127.0.0.1, closed loop, one
 * thread. Every connection sends a request, awaits the whole answer, and sends the next.
 *
 * It is written here because the machine is only promised a C compiler, and because it must cost
 * little: it shares the processors with what it measures. It is strict: an answer with a status
 * that was not asked for, a short answer, or a broken connection ends the run with exit 1.
 *
 * The request is sent as it is in the file --template; in it, the first run of '#' is replaced in
 * every request: by 16 hexadecimal digits that never repeat for different counters, or by the next
 * line of --values, as long as the run.
 *
 * Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_CONNECTIONS = 2000,
    MOST_REQUEST = 64 * 1024,
    MOST_HEAD = 8 * 1024,
    MOST_STATUSES = 4,
    EVENTS = 256,
    COUNTER_WIDTH = 16,
    STEPS = 6, /* a power of two is divided into 2^STEPS buckets: 1.6 % apart */
    BUCKETS = 64 << STEPS,
};

static const uint64_t SECOND = 1000000000;
static const uint64_t SILENCE = 20 * 1000000000ULL; /* no answer at all for so long is a failure */

struct connection {
    int socket;
    uint64_t sent_at;
    uint64_t rests_until;
    bool in_body;
    bool closes;
    int status;
    size_t head_length;
    uint64_t body_left;
    char head[MOST_HEAD];
};

/* What was asked for. */
static int port;
static int connections = 1;
static double seconds = 1;
static double warmup = 0;
static uint64_t most_requests = UINT64_MAX;
static uint64_t counter = 0;
static uint64_t least_bytes = 0;
static uint64_t pause_ns = 0;
static int statuses[MOST_STATUSES];
static int status_count;

/* The request and what is put into it. */
static char request[MOST_REQUEST];
static size_t request_length;
static char *placeholder;
static size_t placeholder_width;
static char *values;
static size_t value_count;
static size_t next_value;

/* The course of the run. */
static struct connection *all;
static struct connection *resting[MOST_CONNECTIONS]; /* a ring, the first to wake first */
static int rest_head, rest_count;
static int poller;
static int in_flight;
static uint64_t sent, answered, reconnects;
static uint64_t measured_from, measured_until, last_answer_at;

/* What was measured. */
static uint64_t counts[MOST_STATUSES];
static uint64_t buckets[BUCKETS];
static uint64_t bytes_in;
static uint64_t slowest;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* ---- Latencies ---- */

static int bucket_of(uint64_t nanoseconds) {
    if (nanoseconds < (1u << STEPS)) {
        return (int)nanoseconds;
    }
    int power = 63 - __builtin_clzll(nanoseconds);
    int step = (int)(nanoseconds >> (power - STEPS)) & ((1 << STEPS) - 1);
    return ((power - STEPS + 1) << STEPS) + step;
}

static double middle_of(int bucket) {
    int power = (bucket >> STEPS) + STEPS - 1;
    if (power < STEPS) {
        return bucket;
    }
    double step = (double)(1ULL << (power - STEPS));
    return (double)(1ULL << power) + ((bucket & ((1 << STEPS) - 1)) + 0.5) * step;
}

/* In milliseconds: what `share` of the latencies did not exceed. */
static double percentile(double share) {
    uint64_t wanted = (uint64_t)((double)counts[0] * share);
    uint64_t seen = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        seen += buckets[bucket];
        if (seen > wanted) {
            return middle_of(bucket) / 1e6;
        }
    }
    return (double)slowest / 1e6;
}

/* ---- Requests ---- */

/* Different counters give different numbers (each step can be undone), spread like random keys.
 * The constants are those of splitmix64. */
static uint64_t spread(uint64_t number) {
    number += 0x9e3779b97f4a7c15;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

static void fill_in(void) {
    static const char digits[] = "0123456789abcdef";
    if (placeholder == NULL) {
        return;
    }
    if (values != NULL) {
        memcpy(placeholder, values + next_value * (placeholder_width + 1), placeholder_width);
        next_value = (next_value + 1) % value_count;
        return;
    }
    uint64_t number = spread(counter++);
    for (int digit = 0; digit < COUNTER_WIDTH; digit++) {
        placeholder[digit] = digits[number >> 60];
        number <<= 4;
    }
}

static void send_request(struct connection *each) {
    fill_in();
    each->head_length = 0;
    each->in_body = false;
    each->sent_at = now();
    ssize_t written = send(each->socket, request, request_length, MSG_NOSIGNAL);
    if (written != (ssize_t)request_length) {
        fail("a request could not be sent: %s", written < 0 ? strerror(errno) : "only in part");
    }
    sent++;
    in_flight++;
}

static void connect_to_server(struct connection *each) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    each->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    int yes = 1;
    if (each->socket < 0 ||
        setsockopt(each->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        connect(each->socket, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(each->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        fcntl(each->socket, F_SETFL, O_NONBLOCK) != 0) {
        fail("cannot connect: %s", strerror(errno));
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = each};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, each->socket, &event) != 0) {
        fail("epoll: %s", strerror(errno));
    }
}

/* ---- Answers ---- */

static bool names(const char *line, const char *name) {
    return strncasecmp(line, name, strlen(name)) == 0;
}

/* Reads the status line and the two headers that matter; `head` ends in an empty line. */
static void parse_head(struct connection *each, size_t length) {
    bool has_length = false;
    each->head[length - 1] = '\0';
    if (length < 16 || !names(each->head, "HTTP/1.1 ")) {
        fail("not an HTTP/1.1 answer: %.40s", each->head);
    }
    each->status = atoi(each->head + 9);
    each->closes = false;
    for (char *line = strstr(each->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (names(line, "content-length:")) {
            each->body_left = strtoull(line + 15, NULL, 10);
            has_length = true;
        } else if (names(line, "connection: close")) {
            each->closes = true;
        }
    }
    if (!has_length) {
        fail("an answer with status %d has no Content-Length", each->status);
    }
    each->in_body = true;
}

static int place_of(const struct connection *each) {
    for (int place = 0; place < status_count; place++) {
        if (statuses[place] == each->status) {
            return place;
        }
    }
    fail("unexpected status %d:\n%s", each->status, each->head);
}

static void record(const struct connection *each, uint64_t at) {
    int place = place_of(each);
    if (at < measured_from || at >= measured_until) {
        return;
    }
    counts[place]++;
    if (place == 0) {
        uint64_t took = at - each->sent_at;
        buckets[bucket_of(took)]++;
        slowest = took > slowest ? took : slowest;
    }
}

static bool goes_on(uint64_t at) {
    return at < measured_until && sent < most_requests;
}

static void complete(struct connection *each) {
    uint64_t at = now();
    in_flight--;
    answered++;
    last_answer_at = at;
    record(each, at);
    if (each->closes) {
        close(each->socket);
        connect_to_server(each);
        reconnects++;
    }
    if (!goes_on(at)) {
        return;
    }
    if (pause_ns > 0 && each->status != statuses[0]) {
        each->rests_until = at + pause_ns;
        resting[(rest_head + rest_count++) % MOST_CONNECTIONS] = each;
        return;
    }
    send_request(each);
}

static void take(struct connection *each, const char *data, size_t length) {
    bytes_in += length;
    if (!each->in_body) {
        size_t before = each->head_length;
        size_t room = MOST_HEAD - before;
        size_t taken = length < room ? length : room;
        memcpy(each->head + before, data, taken);
        each->head_length += taken;
        size_t from = before < 3 ? 0 : before - 3;
        char *end = memmem(each->head + from, each->head_length - from, "\r\n\r\n", 4);
        if (end == NULL) {
            if (each->head_length == MOST_HEAD) {
                fail("an answer's head is longer than %d bytes", MOST_HEAD);
            }
            return;
        }
        size_t head = (size_t)(end - each->head) + 4;
        parse_head(each, head);
        if (each->status == statuses[0] && each->body_left < least_bytes) {
            fail("an answer has %" PRIu64 " bytes, fewer than the %" PRIu64 " expected",
                 each->body_left, least_bytes);
        }
        data += head - before;
        length -= head - before;
    }
    if (length > each->body_left) {
        fail("an answer with status %d is longer than it says", each->status);
    }
    each->body_left -= length;
    if (each->body_left == 0) {
        complete(each);
    }
}

static void receive(struct connection *each) {
    static char buffer[256 * 1024];
    ssize_t length = recv(each->socket, buffer, sizeof buffer, 0);
    if (length > 0) {
        take(each, buffer, (size_t)length);
    } else if (length == 0) {
        fail("the server closed a connection");
    } else if (errno != EAGAIN && errno != EINTR) {
        fail("a connection broke: %s", strerror(errno));
    }
}

/* ---- The run ---- */

/* Wakes who has rested. Returns for how many milliseconds nobody else will wake. */
static int wake(uint64_t at) {
    while (rest_count > 0) {
        struct connection *each = resting[rest_head];
        if (each->rests_until > at) {
            return (int)((each->rests_until - at) / 1000000) + 1;
        }
        rest_head = (rest_head + 1) % MOST_CONNECTIONS;
        rest_count--;
        if (goes_on(at)) {
            send_request(each);
        }
    }
    return 1000;
}

static void run(void) {
    struct epoll_event events[EVENTS];
    uint64_t start = now();
    last_answer_at = start;
    measured_from = start + (uint64_t)(warmup * (double)SECOND);
    measured_until = measured_from + (uint64_t)(seconds * (double)SECOND);
    for (int number = 0; number < connections && sent < most_requests; number++) {
        send_request(&all[number]);
    }
    while (in_flight > 0 || rest_count > 0) {
        int wait = rest_count > 0 ? wake(now()) : 1000;
        int ready = epoll_wait(poller, events, EVENTS, wait);
        if (ready < 0 && errno != EINTR) {
            fail("epoll: %s", strerror(errno));
        }
        for (int number = 0; number < ready; number++) {
            receive(events[number].data.ptr);
        }
        if (in_flight > 0 && ready == 0 && now() - last_answer_at > SILENCE) {
            fail("no answer for %d seconds", (int)(SILENCE / SECOND));
        }
    }
    if (last_answer_at < measured_until && most_requests != UINT64_MAX) {
        measured_until = last_answer_at;
    }
}

static void print(void) {
    double took = (double)(measured_until - measured_from) / (double)SECOND;
    printf("{\"seconds\": %.6f, \"answered\": %" PRIu64 ", \"reconnects\": %" PRIu64
           ", \"next_counter\": %" PRIu64 ", \"bytes_in\": %" PRIu64 ", \"statuses\": {",
           took, answered, reconnects, counter, bytes_in);
    for (int place = 0; place < status_count; place++) {
        printf("%s\"%d\": %" PRIu64, place ? ", " : "", statuses[place], counts[place]);
    }
    printf("}, \"per_second\": %.3f, \"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, "
           "\"p999_ms\": %.4f, \"max_ms\": %.4f}\n",
           (double)counts[0] / took, percentile(0.5), percentile(0.9), percentile(0.99),
           percentile(0.999), (double)slowest / 1e6);
}

/* ---- What was asked for ---- */

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail("%s: %s", path, strerror(errno));
    }
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size) {
        fail("%s cannot be read", path);
    }
    fclose(file);
    text[size] = '\0';
    *length = (size_t)size;
    return text;
}

static void read_template(const char *path) {
    char *text = read_file(path, &request_length);
    if (request_length == 0 || request_length >= sizeof request) {
        fail("%s is empty or too long", path);
    }
    memcpy(request, text, request_length + 1);
    free(text);
    placeholder = strchr(request, '#');
    placeholder_width = placeholder == NULL ? 0 : strspn(placeholder, "#");
}

/* Lines of one length, each ended by a line feed. */
static void read_values(const char *path) {
    size_t length;
    values = read_file(path, &length);
    size_t line = strcspn(values, "\n") + 1;
    if (placeholder == NULL || line != placeholder_width + 1 || length % line != 0) {
        fail("the lines of %s are not as long as the place for them", path);
    }
    value_count = length / line;
    for (size_t number = 1; number <= value_count; number++) {
        if (values[number * line - 1] != '\n') {
            fail("the lines of %s differ in length", path);
        }
    }
}

static void read_statuses(const char *text) {
    for (char *end; status_count < MOST_STATUSES; text = end + 1) {
        statuses[status_count++] = (int)strtol(text, &end, 10);
        if (*end != ',') {
            return;
        }
    }
    fail("more than %d statuses", MOST_STATUSES);
}

static void read_options(int count, char **arguments) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},     {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},  {"warmup", required_argument, NULL, 'w'},
        {"requests", required_argument, NULL, 'n'}, {"template", required_argument, NULL, 't'},
        {"values", required_argument, NULL, 'v'},   {"counter", required_argument, NULL, 'f'},
        {"statuses", required_argument, NULL, 'e'}, {"least-bytes", required_argument, NULL, 'l'},
        {"pause-ms", required_argument, NULL, 'r'}, {0},
    };
    const char *template_path = NULL, *values_path = NULL;
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'c': connections = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'w': warmup = atof(optarg); break;
        case 'n': most_requests = strtoull(optarg, NULL, 10); break;
        case 't': template_path = optarg; break;
        case 'v': values_path = optarg; break;
        case 'f': counter = strtoull(optarg, NULL, 10); break;
        case 'e': read_statuses(optarg); break;
        case 'l': least_bytes = strtoull(optarg, NULL, 10); break;
        case 'r': pause_ns = strtoull(optarg, NULL, 10) * 1000000; break;
        default: exit(2);
        }
    }
    if (template_path == NULL || port <= 0 || status_count == 0 || seconds <= 0) {
        fail("--port, --template, --statuses and --seconds are needed");
    }
    if (connections < 1 || connections > MOST_CONNECTIONS) {
        fail("--connections is 1 to %d", MOST_CONNECTIONS);
    }
    read_template(template_path);
    if (values_path != NULL) {
        read_values(values_path);
    } else if (placeholder != NULL && placeholder_width != COUNTER_WIDTH) {
        fail("the place for a counter is %d characters wide", COUNTER_WIDTH);
    }
}

static void allow_many_sockets(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int count, char **arguments) {
    read_options(count, arguments);
    allow_many_sockets();
    poller = epoll_create1(EPOLL_CLOEXEC);
    all = calloc((size_t)connections, sizeof *all);
    if (poller < 0 || all == NULL) {
        fail("out of memory or files");
    }
    for (int number = 0; number < connections; number++) {
        connect_to_server(&all[number]);
    }
    run();
    print();
    return 0;
}
