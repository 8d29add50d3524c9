"""What pytest-embedded sees of a board with MicroPython; ci/repl runs it."""


def test_it_boots_to_the_prompt(dut):
    dut.expect(r"rst:0x1 \(POWERON_RESET\),boot:0x\w+ \(SPI_FAST_FLASH_BOOT\)")
    dut.expect_exact("MicroPython v")
    dut.expect_exact(">>> ")


def test_it_computes_and_forgets_in_a_reset(dut):
    dut.expect_exact(">>> ")
    dut.write("kept = 6 * 7; print(kept)\r")
    dut.expect(r"\n42\r")
    dut.serial.hard_reset()
    dut.expect_exact("MicroPython v")
    dut.expect_exact(">>> ")
    dut.write("kept\r")
    dut.expect_exact("NameError: name 'kept' isn't defined")
