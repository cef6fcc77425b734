//! Deficit round robin over tenants: whoever has much to send waits for itself, not others for it.
//!
//! Pure bookkeeping of which lanes have something to send. A tenant is served while its deficit is positive; what it
//! sends is subtracted, and a turn adds a quantum. Within a tenant its lanes take turns.

use std::collections::{HashMap, VecDeque};

use posthaste_core::{EndpointId, Tenant};

/// What one turn adds, in bytes: about twenty small messages.
const QUANTUM: i64 = 32 * 1024;

#[derive(Debug, Default)]
struct Share {
    lanes: VecDeque<EndpointId>,
    deficit: i64,
}

/// The lanes that have something to send, by tenant.
#[derive(Debug, Default)]
pub struct FairQueue {
    ring: VecDeque<Tenant>,
    shares: HashMap<Tenant, Share>,
}

impl FairQueue {
    /// Lists a lane; the caller sees to it that none is listed twice.
    pub fn push(&mut self, tenant: &Tenant, lane: EndpointId) {
        if let Some(share) = self.shares.get_mut(tenant) {
            share.lanes.push_back(lane);
            return;
        }
        // A tenant that comes back begins with one quantum, as if its turn had just come.
        self.shares.insert(tenant.clone(), Share { lanes: VecDeque::from([lane]), deficit: QUANTUM });
        self.ring.push_back(tenant.clone());
    }

    /// Takes the next lane off the list, passing over tenants that `may_start` refuses for now.
    pub fn pop(&mut self, mut may_start: impl FnMut(&Tenant) -> bool) -> Option<(Tenant, EndpointId)> {
        let mut refused = 0;
        while refused < self.ring.len() {
            let tenant = self.ring.front()?.clone();
            let Some(share) = self.shares.get_mut(&tenant) else {
                self.ring.pop_front();
                continue;
            };
            if share.lanes.is_empty() {
                self.ring.pop_front();
                self.shares.remove(&tenant);
                continue;
            }
            if !may_start(&tenant) {
                refused += 1;
                self.ring.rotate_left(1);
                continue;
            }
            if share.deficit <= 0 {
                share.deficit += QUANTUM;
                self.ring.rotate_left(1);
                continue;
            }
            let lane = share.lanes.pop_front()?;
            return Some((tenant, lane));
        }
        None
    }

    /// Charges a tenant for what one of its lanes starts to send.
    pub fn charge(&mut self, tenant: &Tenant, bytes: usize) {
        if let Some(share) = self.shares.get_mut(tenant) {
            share.deficit = share.deficit.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.ring.clear();
        self.shares.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Tenant {
        name.parse().unwrap()
    }

    /// Serves `turns` lanes; each is listed again at once, as a lane with a long queue is.
    fn serve(queue: &mut FairQueue, turns: usize, cost: impl Fn(&str) -> usize) -> HashMap<String, usize> {
        let mut served = HashMap::new();
        for _ in 0..turns {
            let (owner, lane) = queue.pop(|_| true).unwrap();
            queue.charge(&owner, cost(owner.as_str()));
            queue.push(&owner, lane);
            *served.entry(owner.to_string()).or_default() += 1;
        }
        served
    }

    #[test]
    fn a_tenant_with_a_thousand_lanes_gets_no_more_than_one_with_one() {
        let mut queue = FairQueue::default();
        for lane in 0..1_000 {
            queue.push(&tenant("big"), EndpointId::from_bits(lane));
        }
        queue.push(&tenant("small"), EndpointId::from_bits(5_000));
        let served = serve(&mut queue, 20_000, |_| 1_024);
        assert!(served["small"].abs_diff(served["big"]) <= 64, "{served:?}");
    }

    #[test]
    fn large_payloads_count_for_what_they_weigh() {
        let mut queue = FairQueue::default();
        queue.push(&tenant("heavy"), EndpointId::from_bits(1));
        queue.push(&tenant("light"), EndpointId::from_bits(2));
        let served = serve(&mut queue, 22_000, |owner| if owner == "heavy" { 10_240 } else { 1_024 });
        let (light, heavy) = (served["light"], served["heavy"]);
        assert!(light > 8 * heavy && light * 2 < 25 * heavy, "{served:?}");
    }

    #[test]
    fn a_refused_tenant_does_not_hold_up_the_others() {
        let mut queue = FairQueue::default();
        queue.push(&tenant("full"), EndpointId::from_bits(1));
        queue.push(&tenant("free"), EndpointId::from_bits(2));
        let (owner, _) = queue.pop(|name| name.as_str() != "full").unwrap();
        assert_eq!(owner.as_str(), "free");
        assert!(queue.pop(|name| name.as_str() != "full").is_none());
        assert!(queue.pop(|_| true).is_some());
        assert!(queue.pop(|_| true).is_none());
    }
}
