# Threads with windowed frames of their own: recursion and floats side by side.
import _thread, time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def series(n):
    x = 0.0
    for i in range(1, n):
        x += 1.0 / (i * i)
    return "%.2f" % x


_thread.stack_size(12 * 1024)
results = {}
lock = _thread.allocate_lock()


def run(name, f, n):
    value = f(n)
    with lock:
        results[name] = value


for i in range(3):
    _thread.start_new_thread(run, ("fib%d" % i, fib, 12 + i))
    _thread.start_new_thread(run, ("series%d" % i, series, 500))
for _ in range(300):
    if len(results) == 6:
        break
    time.sleep_ms(10)
for name in sorted(results):
    print(name, results[name])
