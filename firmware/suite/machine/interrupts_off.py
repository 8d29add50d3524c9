# Interrupts off: a timer's callback waits; the state nests.
import machine, time
from machine import Timer

hits = []
t = Timer(1)
t.init(mode=Timer.ONE_SHOT, period=2, callback=lambda t: hits.append(1))
state = machine.disable_irq()
inner = machine.disable_irq()
end = time.ticks_add(time.ticks_us(), 5000)
while time.ticks_diff(end, time.ticks_us()) > 0:
    pass
early = len(hits)
machine.enable_irq(inner)
machine.enable_irq(state)
time.sleep_ms(5)
print(early, hits)
t.deinit()
