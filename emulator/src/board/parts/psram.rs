//! tmp
use crate::peripherals::spi::Transaction;
#[derive(Debug, Clone)]
pub struct Psram(Vec<u8>);
impl Psram {
    pub fn bytes(&self)->&[u8]{&self.0}
    pub fn bytes_mut(&mut self)->&mut [u8]{&mut self.0}
    pub fn transact(&mut self,_t:&Transaction)->Vec<u8>{vec![]}
}
