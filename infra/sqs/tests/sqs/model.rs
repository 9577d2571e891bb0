//! The indexed queue against a list that is searched from end to end, under many random histories.

use std::time::Duration;

use afferent_domain::Timestamp;
use local_sqs::{Draft, Receive, Sqs};

use crate::world::{counts, pass, s, with_queue};

/// A message as the simplest queue would keep it.
struct Plain {
    id: String,
    visible: Timestamp,
    handle: Option<String>,
    delayed: bool,
}

/// A small generator of chance, so that a failure repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

async fn receive(sqs: &Sqs, plain: &mut [Plain], now: Timestamp, max: i64, visibility: u64) {
    let ask = Receive { max, wait_s: Some(0), visibility_s: Some(visibility.cast_signed()) };
    let received = sqs.receive("q", ask).await.unwrap();
    let visible = plain.iter().filter(|message| message.visible <= now).count();
    assert_eq!(received.len(), visible.min(usize::try_from(max).unwrap()));
    for message in received {
        let known = plain.iter_mut().find(|known| known.id == message.message_id).unwrap();
        assert!(known.visible <= now, "handed out too early");
        known.visible = now + s(visibility);
        known.handle = Some(message.receipt_handle);
        known.delayed = false;
    }
}

async fn live(seed: u64) {
    let sqs = with_queue(&[]);
    let start = Timestamp::from_secs(1_795_219_200);
    let (mut now, mut plain, mut chance) = (start, Vec::<Plain>::new(), Chance(seed));
    for _ in 0..300 {
        let picked = usize::try_from(chance.below(plain.len().max(1) as u64)).unwrap();
        match chance.below(8) {
            0..=2 => {
                let delay = chance.below(3) * 5;
                let group = (chance.below(2) == 0).then(|| format!("g{}", chance.below(3)));
                let draft = Draft { delay_s: Some(delay.cast_signed()), group, ..Draft::of("x") };
                let id = sqs.send("q", draft).unwrap();
                plain.push(Plain { id, visible: now + s(delay), handle: None, delayed: delay > 0 });
            }
            3 | 4 => {
                let max = 1 + chance.below(10).cast_signed();
                receive(&sqs, &mut plain, now, max, chance.below(4) * 10).await;
            }
            5 => {
                if let Some(handle) = plain.get(picked).and_then(|message| message.handle.clone()) {
                    sqs.delete("q", &handle).unwrap();
                    plain.remove(picked);
                }
            }
            6 => {
                let Some(known) = plain.get_mut(picked) else { continue };
                let Some(handle) = known.handle.clone() else { continue };
                let timeout = chance.below(5) * 10;
                let changed = sqs.change_visibility("q", &handle, timeout.cast_signed());
                assert_eq!(changed.is_ok(), known.visible > now, "only what is in flight can be changed");
                if changed.is_ok() {
                    known.visible = now + s(timeout);
                }
            }
            _ => {
                let step = Duration::from_millis(chance.below(12_000));
                pass(step).await;
                now = now + step;
            }
        }
        let count = |test: &dyn Fn(&Plain) -> bool| plain.iter().filter(|message| test(message)).count();
        let expected = (
            count(&|message| message.visible <= now),
            count(&|message| message.visible > now && !message.delayed),
            count(&|message| message.visible > now && message.delayed),
        );
        assert_eq!(counts(&sqs, "q"), expected, "seed {seed}");
        let first = plain.iter().map(|message| message.visible).min();
        assert_eq!(sqs.next_visible_at("q").unwrap(), first, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_it_agrees_with_the_simplest_queue_there_is() {
    for seed in 0..60 {
        live(seed).await;
    }
}
