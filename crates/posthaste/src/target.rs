//! Whom a message is fired at.

use std::future::Future;

use crate::Error;

/// Whom a message is fired at, once that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressees {
    /// Whoever is registered for a topic.
    Topic(String),
    /// These URLs.
    Urls(Vec<String>),
}

/// Something to fire at: a topic, a URL, a list of URLs, or a [`resolver`]. A text with `://` in it is a URL, which no
/// topic's name can be.
pub trait Target: Send {
    /// Says whom; asked once, when the message is fired.
    fn addressees(self) -> impl Future<Output = Result<Addressees, Error>> + Send;
}

fn one(text: &str) -> Addressees {
    if text.contains("://") { Addressees::Urls(vec![text.to_owned()]) } else { Addressees::Topic(text.to_owned()) }
}

impl Target for &str {
    async fn addressees(self) -> Result<Addressees, Error> {
        Ok(one(self))
    }
}

impl Target for &String {
    async fn addressees(self) -> Result<Addressees, Error> {
        Ok(one(self))
    }
}

impl Target for String {
    async fn addressees(self) -> Result<Addressees, Error> {
        Ok(one(&self))
    }
}

impl Target for Vec<String> {
    async fn addressees(self) -> Result<Addressees, Error> {
        Ok(Addressees::Urls(self))
    }
}

impl Target for &[&str] {
    async fn addressees(self) -> Result<Addressees, Error> {
        Ok(Addressees::Urls(self.iter().map(|url| (*url).to_owned()).collect()))
    }
}

impl<const N: usize> Target for [&str; N] {
    async fn addressees(self) -> Result<Addressees, Error> {
        Ok(Addressees::Urls(self.iter().map(|url| (*url).to_owned()).collect()))
    }
}

/// Asks the caller's own code for the URLs.
#[derive(Debug, Clone)]
pub struct Resolver<F>(F);

/// A target that is asked for its URLs when a message is fired, once. If it fails, nothing is stored.
pub fn resolver<F>(ask: F) -> Resolver<F> {
    Resolver(ask)
}

impl<F, R, E> Target for Resolver<F>
where
    F: FnOnce() -> R + Send,
    R: Future<Output = Result<Vec<String>, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn addressees(self) -> Result<Addressees, Error> {
        (self.0)().await.map(Addressees::Urls).map_err(|error| Error::Resolver(error.into()))
    }
}
