# Closures: shared cells, nonlocal, nesting, decorators with arguments.
def counter(start):
    count = start

    def up(by=1):
        nonlocal count
        count += by
        return count

    def get():
        return count

    return up, get


up, get = counter(10)
up()
up(5)
other, _ = counter(0)
print(get(), other(), get(), [f(3) for f in [lambda x, n=n: x * n for n in range(4)]])


def outer():
    x = 1

    def middle():
        y = 2

        def inner():
            nonlocal x, y
            x += y
            y *= 10
            return x, y

        return inner

    return middle()


f = outer()
print(f(), f(), outer()())


def repeat(times):
    def wrap(func):
        def run(*args):
            return [func(*args) for _ in range(times)]

        return run

    return wrap


@repeat(2)
@repeat(3)
def add(a, b):
    return a + b


print(add(1, 2))
g = 0


def change():
    global g
    g += 1
    return lambda: g


print(change()(), change()(), g)
