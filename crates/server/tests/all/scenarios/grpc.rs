//! Steps as gRPC calls. The client is made from the server's descriptors at run time, as `grpcurl` makes its own: a
//! document becomes the message of the method, and its bytes go over an ordinary channel.

use bytes::{Buf as _, BufMut as _, Bytes};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MethodDescriptor, SerializeOptions};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::grpc_shape::{message_of, rest_of};
use super::row::{Call, Outcome, Problem};

/// A connection and what the server says it understands.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    pool: DescriptorPool,
}

impl Client {
    pub async fn connect(address: &str) -> Self {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let pool = DescriptorPool::decode(posthaste_grpc::proto::DESCRIPTOR).unwrap();
        Self { channel, pool }
    }

    /// Makes a call and says what came of it.
    pub async fn call(&self, key: Option<&str>, call: &Call) -> Outcome {
        let name = match call.does {
            "publish_event" => "publish_events",
            other => other,
        };
        let method = self.method(&pascal(name));
        let (message, wrapper) = message_of(call, &method.input());
        let options = DeserializeOptions::new();
        let message = DynamicMessage::deserialize_with_options(method.input(), &message, &options);
        let message = message.unwrap_or_else(|error| panic!("{call:?}: {error}"));
        match self.unary(key, &method, message.encode_to_vec().into()).await {
            Ok(bytes) => {
                let message = DynamicMessage::decode(method.output(), bytes).unwrap();
                let options = SerializeOptions::new()
                    .use_proto_field_name(true)
                    .skip_default_fields(false)
                    .stringify_64_bit_integers(false);
                let answer = message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
                Outcome::Answer(rest_of(call, answer, &method.output()))
            }
            Err(status) => Outcome::Problem(problem(&status, wrapper)),
        }
    }

    fn method(&self, name: &str) -> MethodDescriptor {
        let mut methods = self.pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        methods.find(|method| method.name() == name).unwrap_or_else(|| panic!("no service has a method {name}"))
    }

    async fn unary(&self, key: Option<&str>, method: &MethodDescriptor, message: Bytes) -> Result<Bytes, Status> {
        let mut request = Request::new(message);
        if let Some(key) = key {
            request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        client.ready().await.unwrap();
        client.unary(request, path.parse().unwrap(), Raw).await.map(tonic::Response::into_inner)
    }
}

fn pascal(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// A message's bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A refusal. The status is what REST has for what docs/grpc.md says of the code.
fn problem(status: &Status, wrapper: &str) -> Problem {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("every error has its reason: {status:?}"));
    assert_eq!(info.domain, "posthaste", "{status:?}");
    let code = info.reason.clone();
    let http = match status.code() {
        Code::InvalidArgument => 422,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::Aborted if code == "precondition_failed" => 412,
        Code::ResourceExhausted if code == "too_large" => 413,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition | Code::ResourceExhausted => 409,
        Code::Unavailable => 503,
        other => panic!("{other:?} is not documented: {status:?}"),
    };
    let faults = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let place = |field: String| match field.strip_prefix(wrapper) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.to_owned(),
        _ => field,
    };
    let mut pointers: Vec<String> = faults.into_iter().map(|fault| place(fault.field)).collect();
    pointers.sort_unstable();
    Problem { code, status: http, pointers }
}
