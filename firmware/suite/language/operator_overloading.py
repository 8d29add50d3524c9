# Special methods: arithmetic, comparison, containers, calls, truth, text.
class Vec:
    def __init__(self, *xs):
        self.xs = xs

    def __repr__(self):
        return "Vec" + repr(self.xs)

    def __add__(self, o):
        return Vec(*[a + b for a, b in zip(self.xs, o.xs)])

    def __mul__(self, k):
        return Vec(*[a * k for a in self.xs])

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1

    def __eq__(self, o):
        return self.xs == o.xs

    def __lt__(self, o):
        return sum(self.xs) < sum(o.xs)

    def __gt__(self, o):
        return sum(self.xs) > sum(o.xs)

    def __hash__(self):
        return hash(self.xs)

    def __len__(self):
        return len(self.xs)

    def __getitem__(self, i):
        return self.xs[i]

    def __contains__(self, x):
        return x in self.xs

    def __call__(self, y):
        return self.xs[0] + y

    def __bool__(self):
        return any(self.xs)


a, b = Vec(1, 2), Vec(3, 4)
print(a + b, a * 3, 3 * a, -a, a == Vec(1, 2), a != b, a < b, b > a, max(a, b))
print(len(a), a[1], a[-1], a[0:1], 2 in a, 5 in a, a(10), bool(Vec(0, 0)), {a: "key"}[Vec(1, 2)], list(b))
c = a
c += b
print(c, a, str(a), "%r" % b)


class Bag:
    def __init__(self):
        self.d = {}

    def __setitem__(self, k, v):
        self.d[k] = v

    def __getitem__(self, k):
        return self.d.get(k, "none")

    def __delitem__(self, k):
        del self.d[k]

    def __getattr__(self, name):
        return "attr " + name

    def __iadd__(self, k):
        self.d[k] = k
        return self


g = Bag()
g["a"] = 1
g += "b"
print(g["a"], g["b"], g["z"], g.anything)
del g["a"]
print(g["a"])
try:
    a + 1
except (AttributeError, TypeError):
    print("refused")
