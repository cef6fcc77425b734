//! A group commit: one statement, unless keys, callers' ids or the outbox have a say first.

use std::collections::HashMap;

use posthaste_core::MessageId;
use posthaste_core::id::NodeId;
use posthaste_store::queue::{BatchRow, IdempotencyKey, Owner};
use posthaste_store::{Accepted, Group, NewMessage, Published, Result, StoreError};
use tokio_postgres::Error;

use crate::PostgresStore;
use crate::accept::{ACCEPT, Acceptance, AcceptanceEnd, Terms, Wakes, Waking};
use crate::fault::{classify, is_collision, is_lock_timeout};
use crate::param::Uuid;
use crate::rows::{get, topic};
use crate::session::{Call, Session};

/// How often a transaction that stood in another's way is begun anew.
const TRIES: u32 = 5;
/// The kind of a message's own id in `uid`.
const UID_KIND: &str = "message";

impl PostgresStore {
    pub(crate) async fn publish_group(&self, node: NodeId, group: &Group) -> Result<Published> {
        let session = self.publishing.take().await?;
        let special = !group.consumes.is_empty()
            || group.messages.iter().any(|new| new.idempotency.is_some() || new.message.extras.uid.is_some());
        for _ in 1..TRIES {
            let ended = if special {
                publish_special(&session, node, group).await?
            } else {
                publish_plain(&session, node, group).await?
            };
            match ended {
                Ok(published) => return Ok(published),
                Err(error) if is_collision(&error) => session.tidy().await?,
                Err(error) => return Err(classify(error)),
            }
        }
        Err(StoreError::unavailable("a commit met others in its way too often"))
    }
}

fn terms(node: NodeId, group: &Group, direct: bool) -> Terms {
    let inserts = group.row == BatchRow::Insert && direct;
    Terms {
        node,
        matched: Some(group.matched),
        batch: inserts.then_some(group.batch),
        owner: (group.owner == Owner::Publisher).then_some(node),
    }
}

/// What the server refused on the way is told apart from what the store failed at.
type Tried<T> = Result<Result<T, Error>>;

async fn publish_plain(session: &Session, node: NodeId, group: &Group) -> Tried<Published> {
    let direct = group.messages.iter().any(NewMessage::has_direct_targets);
    let acceptance =
        Acceptance::new(terms(node, group, direct), &group.messages.iter(), Waking::Guarded, Wakes::default())?;
    let rows = match session.attempt(ACCEPT, &acceptance.params()).await? {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    match AcceptanceEnd::read(&rows)? {
        AcceptanceEnd::Fenced => Err(StoreError::LeaseLost),
        AcceptanceEnd::Written => Ok(Ok(Published::Committed(vec![Accepted::New; group.messages.len()]))),
        AcceptanceEnd::Moved if landed(session, group).await? => {
            Ok(Ok(Published::Committed(vec![Accepted::New; group.messages.len()])))
        }
        AcceptanceEnd::Moved => Ok(Ok(Published::CatalogMoved)),
    }
}

/// Whether an earlier try of the same group was committed after all.
async fn landed(session: &Session, group: &Group) -> Result<bool> {
    let ids: Vec<Uuid> = group.messages.iter().map(|new| new.message.id.into()).collect();
    let rows = session.query("SELECT id FROM posthaste.message WHERE id = ANY ($1) LIMIT 1", &[&ids]).await?;
    Ok(!rows.is_empty())
}

/// One message's claim to a name that only one message may have.
struct Claim<'a> {
    index: usize,
    tenant: &'a str,
    verb: &'a str,
    key: &'a str,
    hash: &'a [u8],
}

fn claim_of(index: usize, new: &NewMessage) -> Option<Claim<'_>> {
    let IdempotencyKey { verb, key, request_hash } = new.idempotency.as_ref()?;
    Some(Claim { index, tenant: new.message.tenant.as_str(), verb, key, hash: request_hash })
}

async fn publish_special(session: &Session, node: NodeId, group: &Group) -> Tried<Published> {
    let node_id = Uuid::from(node);
    let fence = Call::Query(include_str!("../sql/fence.sql"), vec![&node_id]);
    let opened = match session.try_open("", vec![fence, Call::Simple("SET LOCAL lock_timeout = '200ms'")]).await? {
        Ok(answers) => answers,
        Err(error) => return Ok(Err(error)),
    };
    if opened[0].is_empty() {
        session.roll_back().await?;
        return Err(StoreError::LeaseLost);
    }
    let mut answers = vec![Accepted::New; group.messages.len()];
    let named = async {
        if let Err(error) = take_keys(session, &group.messages, &mut answers).await? {
            return Ok(Err(error));
        }
        take_uids(session, group, &mut answers).await
    };
    if let Err(error) = named.await? {
        session.roll_back().await?;
        if is_lock_timeout(&error) {
            return Ok(Ok(Published::KeysBusy(named_messages(group))));
        }
        return Ok(Err(error));
    }
    // What waits from here on waits for lanes and for an earlier try of this group.
    session.simple("SET LOCAL lock_timeout = '2s'").await?;
    if !group.consumes.is_empty() && !consume(session, group).await? {
        let landed = landed(session, group).await?;
        session.roll_back().await?;
        return Ok(Ok(if landed { Published::Committed(answers) } else { Published::Consumed }));
    }
    let fresh =
        || group.messages.iter().zip(&answers).filter(|(_, answer)| **answer == Accepted::New).map(|(new, _)| new);
    if fresh().next().is_some() {
        let direct = fresh().any(NewMessage::has_direct_targets);
        let acceptance = Acceptance::new(terms(node, group, direct), &fresh(), Waking::Guarded, Wakes::default())?;
        let rows = match session.attempt(ACCEPT, &acceptance.params()).await? {
            Ok(rows) => rows,
            Err(error) => {
                session.roll_back().await?;
                return Ok(Err(error));
            }
        };
        if AcceptanceEnd::read(&rows)? == AcceptanceEnd::Moved {
            let landed = landed(session, group).await?;
            session.roll_back().await?;
            return Ok(Ok(if landed { Published::Committed(answers) } else { Published::CatalogMoved }));
        }
    }
    Ok(session.try_commit(Vec::new()).await?.map(|_| Published::Committed(answers)))
}

/// Those that another transaction may hold the keys of: all that have any, since the server does not say which.
fn named_messages(group: &Group) -> Vec<usize> {
    let named = |new: &NewMessage| new.idempotency.is_some() || new.message.extras.uid.is_some();
    group.messages.iter().enumerate().filter(|(_, new)| named(new)).map(|(index, _)| index).collect()
}

async fn consume(session: &Session, group: &Group) -> Result<bool> {
    let gone = session.query(include_str!("../sql/consume_outbox.sql"), &[&group.consumes]).await?;
    Ok(gone.len() == group.consumes.len())
}

/// Idempotency keys, sorted so that two groups never wait for one another; the losers read the winners.
pub(crate) async fn take_keys(session: &Session, messages: &[NewMessage], answers: &mut [Accepted]) -> Tried<()> {
    let claims: Vec<Claim<'_>> = messages.iter().enumerate().filter_map(|(index, new)| claim_of(index, new)).collect();
    if claims.is_empty() {
        return Ok(Ok(()));
    }
    let ids: Vec<Uuid> = claims.iter().map(|claim| messages[claim.index].message.id.into()).collect();
    let tenants: Vec<&str> = claims.iter().map(|claim| claim.tenant).collect();
    let verbs: Vec<&str> = claims.iter().map(|claim| claim.verb).collect();
    let keys: Vec<&[u8]> = claims.iter().map(|claim| claim.key.as_bytes()).collect();
    let hashes: Vec<&[u8]> = claims.iter().map(|claim| claim.hash).collect();
    let calls = vec![
        // In share, so that no generation is truncated meanwhile; a lock of its own, because share locks on a row could
        // keep the rotation out for ever. A statement of its own, so that the next one's snapshot is newer.
        Call::Query("SELECT pg_advisory_xact_lock_shared(5785531236411219000)", Vec::new()),
        Call::Query(include_str!("../sql/take_keys.sql"), vec![&tenants, &verbs, &keys, &ids, &hashes]),
        Call::Query(include_str!("../sql/key_holders.sql"), vec![&tenants, &verbs, &keys]),
    ];
    let holders = match session.try_pipeline(calls).await? {
        Ok(mut answers) => answers.pop().unwrap_or_default(),
        Err(error) => return Ok(Err(error)),
    };
    for row in &holders {
        let place = usize::try_from(get::<i64>(row, 0)? - 1).unwrap_or(0);
        let Some(claim) = claims.get(place) else { continue };
        let original: MessageId = get::<Uuid>(row, 1)?.id();
        if original == messages[claim.index].message.id {
            continue;
        }
        answers[claim.index] = Accepted::Duplicate {
            original,
            same_request: get::<&[u8]>(row, 2)? == claim.hash,
            topic: topic(get(row, 3)?)?,
            deliveries: get::<Option<i32>>(row, 4)?.and_then(|count| u32::try_from(count).ok()),
        };
    }
    Ok(Ok(()))
}

/// Callers' own ids of those messages that are still new. A loser's key is given back with the rest of it.
async fn take_uids(session: &Session, group: &Group, answers: &mut [Accepted]) -> Tried<()> {
    let mut claims: Vec<(usize, &NewMessage, &str)> = Vec::new();
    for (index, new) in group.messages.iter().enumerate() {
        if let (Some(uid), Accepted::New) = (&new.message.extras.uid, &answers[index]) {
            claims.push((index, new, uid));
        }
    }
    if claims.is_empty() {
        return Ok(Ok(()));
    }
    let tenants: Vec<&str> = claims.iter().map(|(_, new, _)| new.message.tenant.as_str()).collect();
    let uids: Vec<&str> = claims.iter().map(|(_, _, uid)| *uid).collect();
    let kinds: Vec<&str> = vec![UID_KIND; claims.len()];
    let ids: Vec<Uuid> = claims.iter().map(|(_, new, _)| new.message.id.into()).collect();
    let calls = vec![
        Call::Query(include_str!("../sql/take_uids.sql"), vec![&tenants, &kinds, &uids, &ids]),
        Call::Query(include_str!("../sql/uid_holders.sql"), vec![&tenants, &kinds, &uids]),
    ];
    let holders = match session.try_pipeline(calls).await? {
        Ok(mut answers) => answers.pop().unwrap_or_default(),
        Err(error) => return Ok(Err(error)),
    };
    let winners: HashMap<i64, MessageId> =
        holders.iter().map(|row| Ok((get(row, 0)?, get::<Uuid>(row, 1)?.id()))).collect::<Result<_>>()?;
    let mut given_back: Vec<Claim<'_>> = Vec::new();
    for ((index, new, _), place) in claims.iter().zip(1i64..) {
        let Some(winner) = winners.get(&place).filter(|winner| **winner != new.message.id) else { continue };
        answers[*index] = Accepted::UidTaken(*winner);
        given_back.extend(claim_of(*index, new));
    }
    if !given_back.is_empty() {
        let tenants: Vec<&str> = given_back.iter().map(|claim| claim.tenant).collect();
        let verbs: Vec<&str> = given_back.iter().map(|claim| claim.verb).collect();
        let keys: Vec<&[u8]> = given_back.iter().map(|claim| claim.key.as_bytes()).collect();
        session.query(include_str!("../sql/give_keys_back.sql"), &[&tenants, &verbs, &keys]).await?;
    }
    Ok(Ok(()))
}
