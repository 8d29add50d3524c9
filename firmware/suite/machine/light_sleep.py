# Light sleep: memory is kept, the time asked for passes, the timer is the reason to wake.
import machine, time

kept = list(range(5))
start = time.ticks_ms()
machine.lightsleep(100)
t = time.ticks_diff(time.ticks_ms(), start)
print(95 <= t <= 120, kept, machine.wake_reason() == machine.TIMER_WAKE)
machine.lightsleep(20)
print(time.ticks_diff(time.ticks_ms(), start) >= 115, machine.freq())
