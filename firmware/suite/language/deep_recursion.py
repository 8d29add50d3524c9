# Deep calls and unwinding through many frames: every return finds its frame again.
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


def sums(n, a=1, b=2, c=3):
    if n == 0:
        return a, b, c
    x, y, z = sums(n - 1, a + 1, b + 2, c + 3)
    return x + n, y - n, z + 2 * n


def throw(n):
    if n == 0:
        raise ValueError("bottom")
    try:
        throw(n - 1)
    finally:
        trail.append(n)


print(depth(40), depth(5), sums(30))
trail = []
try:
    throw(25)
except ValueError as e:
    print(e, trail)


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def hanoi(n, a, b, c):
    return 0 if n == 0 else hanoi(n - 1, a, c, b) + 1 + hanoi(n - 1, c, b, a)


print(ackermann(2, 3), hanoi(10, "a", "b", "c"))


def forever(n):
    return forever(n + 1) + 1


for _ in range(3):
    try:
        forever(0)
    except RuntimeError:
        print("too deep, and recovered")
