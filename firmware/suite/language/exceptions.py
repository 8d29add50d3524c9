# Exceptions: order of finally, else, re-raising, hierarchies, what is caught by what.
class Base(Exception):
    pass


class Derived(Base):
    def __init__(self, code):
        super().__init__("code", code)
        self.code = code


def run(f):
    log = []
    try:
        log.append("try")
        f()
    except Derived as e:
        log.append(("derived", e.code, e.args))
    except (Base, KeyError) as e:
        log.append(type(e).__name__)
    else:
        log.append("else")
    finally:
        log.append("finally")
    return log


def throw(e):
    raise e


print(run(lambda: 1), run(lambda: throw(Derived(7))), run(lambda: throw(Base())), run(lambda: {}["k"]))
try:
    print(run(lambda: throw(OSError(2))))
except OSError as e:
    print("through", e.args[0])


def override():
    try:
        return "try"
    finally:
        print("on the way out")


def swallow():
    for i in range(3):
        try:
            if i == 1:
                continue
            raise ValueError(i)
        except ValueError as e:
            print("caught", e.args)
        finally:
            print("finally", i)
    return "done"


print(override(), swallow())
try:
    try:
        raise KeyError("inner")
    except KeyError:
        raise
    finally:
        print("between")
except LookupError as e:
    print(type(e).__name__, e.args, isinstance(e, Exception), issubclass(KeyError, LookupError))
for wrong in (lambda: 1 + "a", lambda: nowhere, lambda: (1).x, lambda: [][0], lambda: int("z"), lambda: None()):
    try:
        wrong()
    except Exception as e:
        print(type(e).__name__)
try:
    assert 1 == 2, "message"
except AssertionError as e:
    print(e)
