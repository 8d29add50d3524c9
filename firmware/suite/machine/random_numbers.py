# The hardware generator differs, the software one repeats from a seed.
import os, random

a, b = os.urandom(16), os.urandom(16)
print(len(a), a != b, len(os.urandom(0)), len(set(os.urandom(200))) > 80)
random.seed(42)
first = [random.getrandbits(16) for _ in range(5)]
random.seed(42)
print(first == [random.getrandbits(16) for _ in range(5)], len(set(first)) > 1)
print(all(3 <= random.randrange(3, 9) < 9 for _ in range(100)), all(0 <= random.random() < 1 for _ in range(50)))
print(random.choice([7]), 1 <= random.randint(1, 2) <= 2, 1.5 <= random.uniform(1.5, 2) <= 2)
