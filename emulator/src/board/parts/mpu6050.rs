//! MPU-6050: an accelerometer, gyroscope and thermometer on an I2C bus.
//!
//! Source: InvenSense, "MPU-6000 and MPU-6050 Register Map and Descriptions", revision 4.2.
//!
//! *Modelled*: the measurements with their ranges, sleep, reset, the identity; a register pointer that
//! moves on with each byte. Other registers keep what is written.
//!
//! *Not modelled*: the FIFO, interrupts, filters, sample rates, the self-test and the second bus.

use super::i2c_part::I2cDevice;
use crate::time::Instant;

const GYRO_CONFIG: u8 = 0x1b;
const ACCEL_CONFIG: u8 = 0x1c;
const ACCEL_XOUT_H: u8 = 0x3b;
const GYRO_ZOUT_L: u8 = 0x48;
const PWR_MGMT_1: u8 = 0x6b;
const WHO_AM_I: u8 = 0x75;

const DEVICE_RESET: u8 = 1 << 7;
const SLEEP: u8 = 1 << 6;
const IDENTITY: u8 = 0x68;

/// The controls, in the order of the registers of what they set.
const CONTROLS: [&str; 7] =
    ["accelX", "accelY", "accelZ", "temperature", "rotationX", "rotationY", "rotationZ"];

/// A sensor.
#[derive(Debug, Clone)]
pub struct Mpu6050 {
    address: u8,
    /// In units of g, degrees Celsius and degrees in a second, by [`CONTROLS`].
    measured: [f64; 7],
    registers: [u8; 128],
    /// The register that is next; `None`: the byte to come says it.
    pointer: Option<u8>,
}

impl Mpu6050 {
    /// A sensor at rest, level, in a room, at an address that its pin AD0 selects.
    pub fn new(ad0: bool) -> Self {
        let mut sensor = Self {
            address: IDENTITY | u8::from(ad0),
            measured: [0.0, 0.0, 1.0, 24.0, 0.0, 0.0, 0.0],
            registers: [0; 128],
            pointer: Some(0),
        };
        sensor.reset();
        sensor
    }

    fn reset(&mut self) {
        self.registers = [0; 128];
        self.registers[usize::from(PWR_MGMT_1)] = SLEEP;
        self.registers[usize::from(WHO_AM_I)] = IDENTITY;
    }

    fn register(&self, at: u8) -> u8 {
        self.registers.get(usize::from(at)).copied().unwrap_or(0)
    }

    /// Full scale: 0 to 3, each twice as wide as the one before.
    fn scale(&self, register: u8) -> f64 {
        f64::from(1_u16 << (self.register(register) >> 3 & 3))
    }

    /// What it measures, as the registers have it.
    fn sample(&self, n: usize) -> i16 {
        let value = self.measured.get(n).copied().unwrap_or(0.0);
        let raw = match n {
            0..=2 => value * 16_384.0 / self.scale(ACCEL_CONFIG),
            3 => (value - 36.53) * 340.0,
            _ => value * 131.0 / self.scale(GYRO_CONFIG),
        };
        raw.round() as i16
    }
}

impl I2cDevice for Mpu6050 {
    fn address(&self) -> u8 {
        self.address
    }

    fn begin_write(&mut self) {
        self.pointer = None;
    }

    fn write(&mut self, byte: u8, _now: Instant) {
        let Some(pointer) = self.pointer else {
            self.pointer = Some(byte);
            return;
        };
        self.pointer = Some(pointer.wrapping_add(1));
        match pointer {
            PWR_MGMT_1 if byte & DEVICE_RESET != 0 => self.reset(),
            ACCEL_XOUT_H..=GYRO_ZOUT_L | WHO_AM_I => {}
            _ => {
                if let Some(register) = self.registers.get_mut(usize::from(pointer)) {
                    *register = byte;
                }
            }
        }
    }

    fn read(&mut self, _now: Instant) -> u8 {
        let pointer = self.pointer.unwrap_or(0);
        self.pointer = Some(pointer.wrapping_add(1));
        match pointer {
            ACCEL_XOUT_H..=GYRO_ZOUT_L if self.register(PWR_MGMT_1) & SLEEP == 0 => {
                let offset = usize::from(pointer - ACCEL_XOUT_H);
                self.sample(offset / 2).to_be_bytes()[offset % 2]
            }
            _ => self.register(pointer),
        }
    }

    fn set_control(&mut self, control: &str, value: f64) -> bool {
        let found = CONTROLS.iter().zip(&mut self.measured).find(|(name, _)| **name == control);
        found.map(|(_, measured)| *measured = value).is_some()
    }

    fn power_off(&mut self) {
        self.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::super::i2c_part::OnI2c;
    use super::super::i2c_part::tests::Master;
    use super::*;

    fn write(sensor: &mut OnI2c<Mpu6050>, bytes: &[u8]) -> bool {
        let mut master = Master(sensor);
        master.start();
        let all = bytes.iter().all(|byte| master.write(*byte));
        master.stop();
        all
    }

    fn read<const N: usize>(sensor: &mut OnI2c<Mpu6050>, register: u8) -> [u8; N] {
        let mut master = Master(sensor);
        master.start();
        assert!(master.write(0xd0) && master.write(register));
        master.start();
        assert!(master.write(0xd1));
        let bytes = std::array::from_fn(|n| master.read(n + 1 < N));
        master.stop();
        bytes
    }

    #[test]
    fn it_measures_once_it_is_awake_in_the_range_that_is_set() {
        use super::super::Part as _;
        let mut sensor = OnI2c::new(Mpu6050::new(false));
        assert_eq!(read(&mut sensor, WHO_AM_I), [0x68]);
        assert_eq!(read(&mut sensor, ACCEL_XOUT_H), [0; 14], "asleep");
        assert!(write(&mut sensor, &[0xd0, PWR_MGMT_1, 0]));
        for (control, value) in [("accelX", -0.5), ("rotationZ", 100.0), ("temperature", 36.53)] {
            assert!(sensor.set_control(control, value, Instant::ZERO));
        }
        let expected = [0xe0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x33, 0x2c];
        assert_eq!(read(&mut sensor, ACCEL_XOUT_H), expected);
        assert!(write(&mut sensor, &[0xd0, GYRO_CONFIG, 3 << 3, 1 << 3]));
        assert_eq!(read(&mut sensor, ACCEL_XOUT_H), [0xf0, 0]);
        assert_eq!(read(&mut sensor, 0x47), [0x06, 0x66]);
        assert!(write(&mut sensor, &[0xd0, PWR_MGMT_1, DEVICE_RESET]));
        assert_eq!(read(&mut sensor, PWR_MGMT_1), [SLEEP]);
        assert!(!write(&mut sensor, &[0xd2]), "another address");
    }
}
