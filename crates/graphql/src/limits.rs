//! How much one operation may ask for. What is refused says the limit.

/// How deep fields may stand within each other.
pub const DEPTH: usize = 12;
/// The most that an operation may cost: each field costs 1, a page its items times what each of them costs.
pub const COMPLEXITY: usize = 20_000;
/// How deep a document's text may nest, whatever it means; the parser's own stack.
pub const NESTING: usize = 32;
/// The most directives on one field.
pub const DIRECTIVES: usize = 8;
/// The most engine calls that one operation may make for the relations of what it lists. One call reads a relation of
/// all items of a list; only what can not be read so (a further page, statistics, an explanation) is a call for each.
pub const READS: usize = 500;
/// The most bytes of payloads and bodies that one operation may read, and the most that it may show: aliases can show the
/// same ones several times.
pub const BYTES: usize = 32 << 20;
/// The most bytes of payloads that one of those calls brings, unless a single one is larger.
pub const PAYLOADS: u64 = 8 << 20;
/// How many of those calls run at once.
pub const READS_AT_ONCE: usize = 8;
/// The most `WebSockets` at once, and the most subscriptions at once over all of them and event streams.
pub const SUBSCRIBERS: usize = 256;
/// The most operations at once on one WebSocket.
pub const PER_SOCKET: usize = 32;

/// Puts the limit into the library's sentence about one; answers with the error's stable word if it is about one.
pub fn explain(message: &mut String) -> Option<&'static str> {
    if message.contains("too complex") {
        *message = format!(
            "the operation may ask for too much: a field costs 1, a page its `limit` times its items' fields, and all of \
             it must not exceed {COMPLEXITY}; ask for smaller pages or fewer fields"
        );
        return Some("too_complex");
    }
    if message.contains("nested too deep") {
        *message = format!("the operation is nested too deep: fields may stand at most {DEPTH} deep in each other");
        return Some("too_deep");
    }
    if message.contains("recursion depth") {
        *message = format!("the operation is nested too deep: its text may nest at most {NESTING} levels");
        return Some("too_deep");
    }
    None
}
