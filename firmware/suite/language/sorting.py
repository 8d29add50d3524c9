# Sorting: keys, reverse, stability of equal texts, own order.
words = "pear fig banana apple kiwi cherry".split()
print(sorted(words), sorted(words, key=len)[0], sorted(words, reverse=True))
print(sorted(words, key=lambda w: (len(w), w)), sorted(words, key=lambda w: w[-1] + w))
a = [(i * 7919) % 101 for i in range(60)]
b = sorted(a)
a.sort(reverse=True)
print(b == a[::-1], b[:5], b[-5:], all(b[i] <= b[i + 1] for i in range(59)))


def quick(x):
    if len(x) < 2:
        return x
    p = x[len(x) // 2]
    return quick([i for i in x if i < p]) + [i for i in x if i == p] + quick([i for i in x if i > p])


print(quick(a) == b, sorted({"b": 1, "a": 2}), sorted("hello"))


class Card:
    def __init__(self, rank):
        self.rank = rank

    def __lt__(self, other):
        return self.rank < other.rank


print([c.rank for c in sorted([Card(3), Card(1), Card(2)])])
