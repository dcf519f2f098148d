//! What has gone wrong, in words.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::error::Error;
use crate::source::broker::Trouble;
use crate::source::broker::kafka::Kafka;

impl Kafka {
    pub(super) fn away(&mut self, what: &str) -> Trouble {
        self.away = true;
        self.settings.connection.away(what)
    }

    pub(super) fn refused(&self, what: &str) -> Trouble {
        self.settings.connection.refused(what)
    }

    /// What the failure of a request means.
    pub(super) fn failed(&mut self, code: Option<Code>) -> Trouble {
        let (connection, group) = (&self.settings.connection, &self.settings.group);
        let usage = |what: String| Trouble::Refused(Error::usage(format!("{}: {what}", connection.name)));
        let trouble = match code {
            Some(Code::GroupAuthorizationFailed) => {
                connection.refused(&format!("Kafka does not permit this user to read as the group {group}"))
            }
            Some(Code::InconsistentGroupProtocol) => usage(format!(
                "the consumers of the group {group} share out its partitions in another way (partition.assignment.strategy); name another group, or that way in the file of config="
            )),
            Some(Code::InvalidSessionTimeout) => {
                usage("Kafka does not take this session.timeout.ms=".to_owned())
            }
            code => connection.failed(code),
        };
        self.away |= matches!(trouble, Trouble::Away(_));
        trouble
    }

    pub(super) fn not_now(&self) -> Trouble {
        let group = &self.settings.group;
        Trouble::Later(format!(
            "{}: the group {group} is sharing out its partitions",
            self.settings.connection.name
        ))
    }
}
