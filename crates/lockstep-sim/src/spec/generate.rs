//! Generated gateways, the same for the same seed.

use crate::gateway::Channel;
use crate::provider::Provider;
use crate::spec::Spec;

/// A small generator of numbers (splitmix64): the same on every machine and in every version.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.next_u64() % bound).unwrap_or(0)
    }
}

const FAMILIES: [&str; 8] = [
    "gpt-5",
    "claude-sonnet-4",
    "gemini-2.5",
    "deepseek-v3",
    "qwen3",
    "glm-4",
    "grok-4",
    "llama-4",
];
const SIZES: [&str; 5] = ["mini", "pro", "max", "flash", "turbo"];

/// `channels` generated channels over a third as many providers, each with `models` models, for load and property tests.
///
/// Most channels differ from their provider by a few names; none loses more than one in ten.
pub fn many(channels: usize, models: usize, seed: u64) -> Spec {
    let mut random = SplitMix::new(seed);
    let providers = channels.div_ceil(3).max(1);
    let mut spec = Spec::new();
    for provider in 0..providers {
        let names: Vec<String> = (0..models).map(|n| name(n, &mut random)).collect();
        spec = spec.provider(Provider::new(&format!("p{provider}"), names));
    }
    for channel in 0..channels {
        let provider = &spec.providers[channel % providers];
        let mut local: Vec<String> = provider.models.clone();
        if !local.is_empty() {
            for _ in 0..random.below(3) {
                local.remove(random.below(local.len()));
                if local.is_empty() {
                    break;
                }
            }
            if random.below(4) == 0 && models >= 10 {
                local.push(format!("retired-{}", random.below(1000)));
            }
        }
        let id = i64::try_from(channel + 1).unwrap_or(i64::MAX);
        let made = Channel::new(id, &format!("channel {id}"))
            .at(&provider.name)
            .models(&local.join(","));
        spec = spec.channel(made);
    }
    spec
}

/// The n-th name of a list: the number keeps names apart, the rest makes them look real.
fn name(n: usize, random: &mut SplitMix) -> String {
    let family = FAMILIES[random.below(FAMILIES.len())];
    let size = SIZES[random.below(SIZES.len())];
    format!("{family}-{size}-{n:04}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_gateway() {
        let texts = |seed| {
            many(30, 20, seed)
                .channels
                .into_iter()
                .map(|channel| channel.models)
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(7), texts(7));
        assert_ne!(texts(7), texts(8));
        assert_eq!(many(30, 20, 7).providers.len(), 10);
    }
}
