//! What can go wrong with a table: always infrastructure, or an item that we did not write.

use afferent_aws::cause;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// DynamoDB did not do what was asked, for a reason that is no condition of ours.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB refused or was out of reach, after the SDK's own retries.
    #[error("DynamoDB {operation} failed: {cause}")]
    Failed {
        /// The operation.
        operation: &'static str,
        /// The code, or what happened on the way; never a value.
        cause: String,
    },
    /// Another transaction was at the same item; try again.
    #[error("DynamoDB {operation} met another transaction on the same item")]
    Conflict {
        /// The operation.
        operation: &'static str,
    },
    /// The person is being erased, and cannot be made or connected until that is over.
    #[error("the person is being erased")]
    Erasing,
    /// An item lacks an attribute or has one of another type. Names the attribute, never its value.
    #[error("an item of {table} has no usable attribute {attribute}")]
    Item {
        /// Which table's item.
        table: &'static str,
        /// The attribute.
        attribute: String,
    },
    /// A later version of the functions wrote an item. It is left as it is, and what is about it comes again: they understand
    /// it.
    #[error("an item of {table} has version {version}, which only later functions understand")]
    Later {
        /// Which table's item.
        table: &'static str,
        /// Its version.
        version: u32,
    },
}

impl StoreError {
    /// Whether it is one item that these functions cannot read, however often they try; all others can be.
    #[must_use]
    pub const fn is_of_one_item(&self) -> bool {
        matches!(self, Self::Item { .. } | Self::Later { .. })
    }

    /// From what the SDK says.
    pub fn failed<E>(operation: &'static str) -> impl Fn(SdkError<E>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        move |error| match error.code() {
            Some("TransactionConflictException" | "TransactionInProgressException") => Self::Conflict { operation },
            _ => Self::Failed { operation, cause: cause(&error) },
        }
    }

    /// An expression or request that the SDK would not build: a fault of ours.
    pub fn unbuilt(operation: &'static str) -> impl Fn(aws_sdk_dynamodb::error::BuildError) -> Self {
        move |error| Self::Failed { operation, cause: error.to_string() }
    }
}
