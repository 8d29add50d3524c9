//! tmp
pub(super) fn constant(_i: u32) -> u32 {
    0
}
pub(super) fn div0(_s: u32) -> u32 {
    0
}
pub(super) fn recip0(_s: u32) -> u32 {
    0
}
pub(super) fn sqrt0(_s: u32) -> u32 {
    0
}
pub(super) fn rsqrt0(_s: u32) -> u32 {
    0
}
pub(super) fn nexp01(_s: u32) -> u32 {
    0
}
pub(super) fn mksadj(_s: u32) -> u32 {
    0
}
pub(super) fn mkdadj(_r: u32, _s: u32) -> u32 {
    0
}
pub(super) fn addexp(_r: u32, _s: u32) -> u32 {
    0
}
pub(super) fn addexpm(_r: u32, _s: u32) -> u32 {
    0
}
pub(super) fn maddn(_r: u32, _s: u32, _t: u32) -> u32 {
    0
}
pub(super) fn divn(_r: u32, _s: u32, _t: u32) -> u32 {
    0
}
