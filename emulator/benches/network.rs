//! What the wired network costs by itself: transfers, small frames, copies.
//!
//! A transfer is played once with a station at the other end, and what the station sent is played
//! again to the network alone.

#[path = "../tests/network/station.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod station;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use esp32_emulator::net::{Dhcp, File, HostConfig, Network, NetworkConfig, Order, Service};
use esp32_emulator::time::{Duration, Instant};
use station::Bench;

const SIZE: usize = 5_000_000;
const WEB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 4), 80);

fn network() -> Network {
    let file = File {
        content_type: "application/octet-stream".to_owned(),
        bytes: Arc::from(vec![0x55; SIZE]),
    };
    let files = BTreeMap::from([("/big".to_owned(), file)]);
    let services = vec![Service::Http { port: WEB.port(), files }];
    let host = HostConfig { name: "laptop".to_owned(), address: *WEB.ip(), services };
    Network::new(NetworkConfig { hosts: vec![host], ..NetworkConfig::default() }).unwrap()
}

/// The network after a request was answered, and what it took: frames with their instants.
fn played(request: &[u8], size: usize) -> (Network, Vec<(Instant, Vec<u8>)>) {
    let mut bench = Bench::with_address(network(), [192, 168, 0, 200]);
    bench.received = Some(Vec::new());
    let answer = bench.exchange(WEB, request, size);
    assert!(answer.len() >= size);
    (bench.network, bench.received.unwrap_or_default())
}

fn transfers(c: &mut Criterion) {
    let mut upload = format!("PUT /x HTTP/1.1\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes();
    upload.resize(upload.len() + SIZE, 0xaa);
    let mut group = c.benchmark_group("network");
    group.sample_size(20).throughput(Throughput::Bytes(SIZE as u64));
    for (name, request, size) in
        [("download 5 MB", &b"GET /big HTTP/1.0\r\n\r\n"[..], SIZE), ("upload 5 MB", &upload, 20)]
    {
        let (after, inputs) = played(request, size);
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                network,
                |network| {
                    for (at, frame) in &inputs {
                        network.poll(*at);
                        network.receive(frame, *at);
                        while let Some(frame) = network.take_frame() {
                            black_box(frame);
                        }
                        while let Some(event) = network.take_event() {
                            black_box(event);
                        }
                    }
                },
                BatchSize::LargeInput,
            );
        });
        group.bench_function(format!("copy after {name}"), |b| {
            b.iter_with_large_drop(|| black_box(&after).clone());
        });
        group.bench_function(format!("first use of a copy after {name}"), |b| {
            b.iter_batched_ref(
                || after.clone(),
                |copy| copy.order(Order::Dhcp(Dhcp::Answers), Instant::ZERO),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn small_frames(c: &mut Criterion) {
    let mut request = vec![0xff; 6];
    request.extend([0x24, 0x0a, 0xc4, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x24, 0x0a, 0xc4]);
    request.extend([0, 0, 1, 192, 168, 0, 200, 0, 0, 0, 0, 0, 0, 192, 168, 0, 4]);
    let mut group = c.benchmark_group("network");
    group.throughput(Throughput::Elements(1));
    let (mut network, mut now) = (network(), Instant::ZERO);
    group.bench_function("ARP request and answer", |b| {
        b.iter(|| {
            now += Duration::from_micros(1);
            network.receive(black_box(&request), now);
            network.take_frame().expect("an answer")
        });
    });
    group.finish();
}

criterion_group!(benches, transfers, small_frames);
criterion_main!(benches);
