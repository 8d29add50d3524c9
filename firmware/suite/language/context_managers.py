# with: enter and exit in order, errors passed, swallowed and replaced.
class Room:
    def __init__(self, name, swallow=False):
        self.name, self.swallow = name, swallow

    def __enter__(self):
        print("enter", self.name)
        return self.name

    def __exit__(self, kind, value, trace):
        print("exit", self.name, kind.__name__ if kind else None)
        return self.swallow


with Room("a") as a, Room("b") as b:
    print("in", a, b)
with Room("quiet", True):
    raise ValueError
try:
    with Room("loud"), Room("inner"):
        raise KeyError
except KeyError:
    print("outside")


def early():
    for i in range(3):
        with Room(i):
            if i == 1:
                return "left"


print(early())
