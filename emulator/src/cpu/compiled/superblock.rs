//! Which blocks are compiled together.
//!
//! A superblock begins with a hot block and goes on where that one leads, through jumps, calls and the
//! returns from them; then come the targets of its branches. Inside of it control goes from block to block
//! without a look into the table, and registers of the guest stay in host registers. Each block is in one
//! superblock only and can be entered by itself, so there is no more code than blocks would have alone.
//!
//! What is planned here is a guess of where control will go. A wrong one costs time and nothing else:
//! code compares each return address with the one that was expected.

use std::collections::VecDeque;

use super::host;
use crate::cpu::code::{Block, Op, is_branch};
use crate::cpu::instruction::Opcode;

/// Most operations of a superblock.
const OPS: usize = 256;
/// Most calls that it follows into one another.
const DEPTH: usize = 4;

/// A block, and where it is physically.
#[derive(Debug, Clone, Copy)]
pub(in crate::cpu) struct Member {
    pub block: Block,
    pub physical: u32,
}

/// A return address: what a windowed call leaves in the callee's a0, and where RETW goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub a0: u32,
    pub target: u32,
}

/// A member of a superblock. If control gets from one to the next, it does so where the first one ends.
#[derive(Debug, Clone, Copy)]
pub(in crate::cpu) struct Planned {
    pub(super) member: Member,
    /// What is expected in a0 by the RETW at its end.
    pub(super) link: Option<Link>,
}

/// The superblock that begins with `head`. `along` finds the block at an address that may be part of it.
pub(in crate::cpu) fn plan<'c>(
    head: Member,
    ops: impl Fn(Block) -> &'c [Op],
    along: impl Fn(u32) -> Option<Member>,
) -> Vec<Planned> {
    let mut plan: Vec<Planned> = Vec::new();
    let mut room = OPS;
    let mut waiting = VecDeque::from([(head.block.pc, Vec::new())]);
    while let Some((pc, mut links)) = waiting.pop_front() {
        let mut next = Some(pc);
        while let Some(pc) = next {
            let known = plan.iter().any(|it| it.member.block.pc == pc);
            let member = if plan.is_empty() { Some(head) } else { along(pc) };
            let Some(member) = member.filter(|it| {
                !known && plan.len() < host::MEMBERS && usize::from(it.block.len) <= room
            }) else {
                break;
            };
            room -= usize::from(member.block.len);
            let ops = ops(member.block);
            for op in ops.iter().filter(|op| branches(op.opcode)) {
                waiting.push_back((op.imm, links.clone()));
            }
            let (link, target) = end(member.block, ops, &mut links);
            plan.push(Planned { member, link });
            next = target;
        }
    }
    plan
}

/// Where the end of a block leads, as far as that is known; `links` are the calls that have not returned.
fn end(block: Block, ops: &[Op], links: &mut Vec<Link>) -> (Option<Link>, Option<u32>) {
    use Opcode::*;
    let next = block.pc.wrapping_add(u32::from(block.bytes));
    let Some(op) = ops.last() else { return (None, None) };
    match op.opcode {
        J | Call0 => (None, Some(op.imm)),
        Call4 | Call8 | Call12 => {
            let increment = match op.opcode {
                Call4 => 1,
                Call8 => 2,
                _ => 3,
            };
            if links.len() == DEPTH {
                links.remove(0);
            }
            links.push(Link { a0: increment << 30 | next & 0x3fff_ffff, target: next });
            (None, Some(op.imm))
        }
        Retw => {
            let link = links.pop().filter(|it| it.target >> 30 == block.pc >> 30);
            (link, link.map(|it| it.target))
        }
        Jx | Callx0 | Callx4 | Callx8 | Callx12 | Ret | Rfe | Rfde | Rfwo | Rfwu | Rfi | Rfdo
        | Rfdd | Waiti | Syscall | Simcall | Break | BreakN | Ill | Illegal => (None, None),
        _ => (None, Some(next)),
    }
}

/// Whether control may go to the operation's immediate value, and need not.
fn branches(opcode: Opcode) -> bool {
    use Opcode::*;
    is_branch(opcode) || matches!(opcode, Bf | Bt | Loopnez | Loopgtz)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::cpu::code::Field;

    fn op(opcode: Opcode, imm: u32) -> Op {
        Op { opcode, r: Field::N0, s: Field::N0, t: Field::N0, imm }
    }

    /// Blocks at 0x40080000, 0x40080100 and so on, of operations of three bytes; all hot but those that
    /// are `cold`.
    fn planned(code: &[&[Op]], cold: &[usize]) -> Vec<Planned> {
        let member = |n: usize| {
            let len = code[n].len() as u8;
            Member { block: block(at(n), n as u32, len), physical: at(n) }
        };
        let find = |pc: u32| {
            let n = (pc.checked_sub(at(0))? >> 8) as usize;
            (n < code.len() && pc == at(n) && !cold.contains(&n)).then(|| member(n))
        };
        plan(member(0), |block| code[block.first as usize], find)
    }

    fn at(n: usize) -> u32 {
        0x4008_0000 + 0x100 * n as u32
    }

    fn order(plan: &[Planned]) -> Vec<u32> {
        plan.iter().map(|it| it.member.block.first).collect()
    }

    #[test]
    fn what_control_runs_into_comes_before_what_it_branches_to() {
        let code: [&[Op]; 4] = [
            &[op(Opcode::Beqz, at(2)), op(Opcode::J, at(1))],
            &[op(Opcode::Bnez, at(0)), op(Opcode::Jx, 0)],
            &[op(Opcode::Add, 0), op(Opcode::J, at(0))],
            &[op(Opcode::Ret, 0)],
        ];
        assert_eq!(order(&planned(&code, &[])), [0, 1, 2]);
    }

    #[test]
    fn what_is_cold_stays_out() {
        let code: [&[Op]; 3] = [
            &[op(Opcode::Beqz, at(2)), op(Opcode::J, at(1))],
            &[op(Opcode::Jx, 0)],
            &[op(Opcode::J, at(0))],
        ];
        assert_eq!(order(&planned(&code, &[1])), [0, 2]);
    }

    #[test]
    fn a_call_is_followed_to_where_it_returns() {
        // The caller goes on at the end of its first block, which is one of its own.
        let next = at(0) + 6;
        let blocks = [block(at(0), 0, 2), block(at(1), 1, 2), block(next, 2, 1)];
        let code: [&[Op]; 3] = [
            &[op(Opcode::Nop, 0), op(Opcode::Call8, at(1))],
            &[op(Opcode::Entry, 32), op(Opcode::Retw, 0)],
            &[op(Opcode::J, at(0))],
        ];
        let find = |pc| {
            let block = *blocks.iter().find(|block| block.pc == pc)?;
            Some(Member { block, physical: pc })
        };
        let head = Member { block: blocks[0], physical: at(0) };
        let plan = plan(head, |block| code[block.first as usize], find);
        assert_eq!(order(&plan), [0, 1, 2]);
        let link = Link { a0: 2 << 30 | next & 0x3fff_ffff, target: next };
        assert_eq!(plan.iter().map(|it| it.link).collect::<Vec<_>>(), [None, Some(link), None]);
    }

    fn block(pc: u32, first: u32, len: u8) -> Block {
        Block { pc, first, len, bytes: len * 3, quads: 1, may_spin: false, heat: 0 }
    }

    #[test]
    fn it_ends_somewhere() {
        let code: Vec<Vec<Op>> = (0..99).map(|n| vec![op(Opcode::J, at(n + 1))]).collect();
        let code: Vec<&[Op]> = code.iter().map(Vec::as_slice).collect();
        assert_eq!(planned(&code, &[]).len(), host::MEMBERS);
        let long = vec![op(Opcode::Nop, 0); 63];
        let code: Vec<Vec<Op>> = (0..9)
            .map(|n| long.iter().copied().chain([op(Opcode::J, at(n + 1))]).collect())
            .collect();
        let code: Vec<&[Op]> = code.iter().map(Vec::as_slice).collect();
        assert_eq!(planned(&code, &[]).len(), OPS / 64);
    }
}
