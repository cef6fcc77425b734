//! Whether an answer was a success.

/// What a status means for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered.
    Succeeded,
    /// 410: the receiver wants nothing more, and the endpoint is disabled.
    Gone,
    /// The status is a success, but the endpoint asks for an empty body and there was something in it; the retry policy
    /// decides.
    NotEmpty,
    /// Any other failure; the retry policy decides.
    Rejected,
}

impl Verdict {
    /// The verdict on a response whose body has to be empty: nothing, white space or `{}`. `body` is all of it: what was
    /// cut off is not empty, whatever stands before the cut.
    #[must_use]
    pub fn requiring_empty(self, body: &[u8]) -> Self {
        match self {
            Self::Succeeded if !is_empty(body) => Self::NotEmpty,
            verdict => verdict,
        }
    }
}

/// Whether a body says nothing: it is empty, white space, or a JSON object without members.
fn is_empty(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let inside = body.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    inside.unwrap_or(body).trim_ascii().is_empty()
}

/// Judges a status: a success is any 2xx, or exactly what the endpoint lists. A list may name any status, also 302 or
/// 410; redirects are never followed, so without a list every 3xx is a failure.
pub fn judge(status: u16, success_codes: Option<&[u16]>) -> Verdict {
    let succeeded = match success_codes {
        Some(codes) => codes.contains(&status),
        None => (200..300).contains(&status),
    };
    match status {
        _ if succeeded => Verdict::Succeeded,
        410 => Verdict::Gone,
        _ => Verdict::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_codes_replaces_the_two_hundreds() {
        let any: Option<&[u16]> = None;
        for (status, codes, verdict) in [
            (200, any, Verdict::Succeeded),
            (204, any, Verdict::Succeeded),
            (299, any, Verdict::Succeeded),
            (199, any, Verdict::Rejected),
            (302, any, Verdict::Rejected),
            (404, any, Verdict::Rejected),
            (410, any, Verdict::Gone),
            (500, any, Verdict::Rejected),
            (202, Some(&[202, 302][..]), Verdict::Succeeded),
            (302, Some(&[202, 302][..]), Verdict::Succeeded),
            (200, Some(&[202, 302][..]), Verdict::Rejected),
            (410, Some(&[202, 302][..]), Verdict::Gone),
            (410, Some(&[410][..]), Verdict::Succeeded),
            (200, Some(&[][..]), Verdict::Rejected),
        ] {
            assert_eq!(judge(status, codes), verdict, "{status} with {codes:?}");
        }
    }

    #[test]
    fn an_empty_body_is_nothing_white_space_or_an_empty_object() {
        for body in ["", " ", "\r\n\t", "{}", " { \n } "] {
            assert_eq!(Verdict::Succeeded.requiring_empty(body.as_bytes()), Verdict::Succeeded, "{body:?}");
        }
        for body in ["ok", "0", "{", "}", "{}{}", "[]", "null", "{\"a\":1}", "\0", "\u{a0}"] {
            assert_eq!(Verdict::Succeeded.requiring_empty(body.as_bytes()), Verdict::NotEmpty, "{body:?}");
        }
        for verdict in [Verdict::Gone, Verdict::Rejected] {
            assert_eq!(verdict.requiring_empty(b"ok"), verdict);
        }
    }
}
