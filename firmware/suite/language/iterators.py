# The iterator protocol and the built-ins made of it.
class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n


class Squares:
    def __len__(self):
        return 4

    def __getitem__(self, i):
        if i >= 4:
            raise IndexError
        return i * i


print(list(Countdown(3)), [x for x in Squares()], 9 in Squares(), sum(Squares()), tuple(Countdown(2)))
print(list(zip("abc", Countdown(9), (7, 8))), list(enumerate("xy", 5)), dict(zip("ab", (1, 2))))
print(list(map(lambda a, b: a + b, (1, 2), (10, 20))), list(filter(None, (0, 1, "", "a"))))
print(list(reversed([1, 2, 3])), list(range(10, 0, -3)), len(range(0, 10, 3)), 6 in range(0, 10, 3))
for i, c in enumerate(Countdown(4)):
    if c == 1:
        break
else:
    print("not printed")
print(i, c)
for _ in ():
    pass
else:
    print("empty loop has an else")
