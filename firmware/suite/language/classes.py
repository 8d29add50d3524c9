# Classes: inheritance, super, class and static methods, properties, class attributes.
class Shape:
    count = 0
    kind = "shape"

    def __init__(self, name):
        self.name = name
        Shape.count += 1

    def area(self):
        return 0

    def describe(self):
        return "%s %s %d" % (self.kind, self.name, self.area())

    @classmethod
    def unit(cls):
        return cls("unit", 1)

    @staticmethod
    def double(x):
        return 2 * x


class Square(Shape):
    kind = "square"

    def __init__(self, name, side):
        super().__init__(name)
        self._side = side

    def area(self):
        return super().area() + self._side**2

    @property
    def side(self):
        return self._side

    @side.setter
    def side(self, value):
        if value < 0:
            raise ValueError
        self._side = value


s = Square("s", 3)
print(s.describe(), Square.unit().describe(), Shape("plain").describe(), Shape.count, Square.double(4))
s.side = 5
print(s.side, s.area(), isinstance(s, Shape), issubclass(Square, Shape), type(s) is Square, type(s).__name__)
try:
    s.side = -1
except ValueError:
    print("refused", s.side)
s.extra = 1
print(hasattr(s, "extra"), getattr(s, "nope", "default"), Square.kind, s.__class__.__name__)
del s.extra
print(hasattr(s, "extra"), callable(s.area), s.area.__name__ if False else "area")


class Mixed(Square, dict):
    pass


class Empty:
    pass


e = Empty()
e.x, e.y = 1, 2
setattr(e, "z", 3)
print(e.x + e.y + e.z, Empty.__name__)
bound = s.area
s.side = 2
print(bound(), Square.area(s), [f(s) for f in (Shape.area, Square.area)])
