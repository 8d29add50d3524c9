# Generators: lazy values, send, throw, close, return value, yield from.
def echo():
    got = None
    try:
        while True:
            try:
                got = yield got
            except ValueError as e:
                got = "threw %s" % e
    finally:
        print("closed")


g = echo()
print(next(g), g.send(1), g.send("two"), g.throw(ValueError("v")), next(g))
g.close()


def inner(n):
    total = 0
    for i in range(n):
        total += i
        yield i
    return total


def outer():
    first = yield from inner(3)
    second = yield from inner(4)
    yield (first, second)
    yield from "ab"


print(list(outer()))
it = inner(1)
print(next(it))
try:
    next(it)
except StopIteration as e:
    print("stop", e.value)


def naturals():
    n = 0
    while True:
        yield n
        n += 1


def take(n, it):
    return [next(it) for _ in range(n)]


print(take(5, (x * x for x in naturals() if x % 2)))


def tree(depth):
    if depth:
        yield from tree(depth - 1)
        yield depth
        yield from tree(depth - 1)


print(list(tree(4)))
