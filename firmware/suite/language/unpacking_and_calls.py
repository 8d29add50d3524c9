# Unpacking, argument passing in all its forms, defaults evaluated once.
a, b, *c = range(5)
*d, e = "xyz"
(f, g), [h, *i] = (1, 2), [3, 4, 5]
print(a, b, c, d, e, f, g, h, i)
a, b = b, a
first, *_, last = [1, 2, 3, 4]
print(a, b, first, last)


def show(p, q=2, *args, k, m="m", **kw):
    return p, q, args, k, m, sorted(kw.items())


print(show(1, k=0), show(1, 5, 6, 7, k=1, z=9, y=8), show(*(1, 2, 3), **{"k": 4, "m": 5}))
print(show(*[1], q=3, k=2), (lambda *a, **k: (a, sorted(k)))(1, x=2, w=3))


def remember(x, seen=[]):
    seen.append(x)
    return seen


print(remember(1), remember(2), len(remember(3, [])))
for call in (lambda: show(1), lambda: show(k=1), lambda: show(1, k=1, p=2), lambda: show(1, 2, k=1, **{"k": 2})):
    try:
        call()
        print("accepted")
    except TypeError:
        print("TypeError")
try:
    a, b = [1, 2, 3]
except ValueError:
    print("ValueError")
