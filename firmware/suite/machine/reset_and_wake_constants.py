# Names of reset and wake causes, and that they differ.
import machine

resets = (machine.PWRON_RESET, machine.HARD_RESET, machine.WDT_RESET, machine.DEEPSLEEP_RESET, machine.SOFT_RESET)
wakes = (machine.PIN_WAKE, machine.EXT0_WAKE, machine.EXT1_WAKE, machine.TIMER_WAKE, machine.TOUCHPAD_WAKE, machine.ULP_WAKE)
print(len(set(resets)), len(set(wakes)) >= 5, machine.reset_cause() in resets)
