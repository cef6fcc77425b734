//! What a node does. All roles by default; split over processes, any of them may run any number of times.

use crate::Engine;

/// One role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Serves the interfaces: accepts messages and shows what became of them.
    Api,
    /// Sends: owns endpoint shards, takes batches that nobody owns, takes in the outbox, works on replays.
    Dispatch,
    /// Stands for election: the leader fires schedules.
    Schedule,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Api, Self::Dispatch, Self::Schedule];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Dispatch => "dispatch",
            Self::Schedule => "schedule",
        }
    }

    /// The role with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl Engine {
    /// Whether this node has a role.
    pub(crate) fn plays(&self, role: Role) -> bool {
        self.0.options.roles.contains(&role)
    }
}
