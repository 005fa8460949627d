//! KMS: data keys under an encryption context.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// What a ciphertext holds. The sandbox keeps no secrets, so the "ciphertext" is its content in plain JSON: it can be
/// opened after a restart, and still only under the same encryption context.
#[derive(Serialize, Deserialize)]
struct Sealed {
    key: String,
    context: BTreeMap<String, String>,
    plaintext: String,
}

/// A ciphertext under the key `key` (an ARN) and this encryption context.
pub(crate) fn encrypt(key: &str, context: &BTreeMap<String, String>, plaintext: &[u8]) -> Vec<u8> {
    let sealed =
        Sealed { key: key.to_owned(), context: context.clone(), plaintext: BASE64.encode(plaintext) };
    serde_json::to_vec(&sealed).unwrap_or_default()
}

/// Opens a ciphertext as `kms:Decrypt` does: the key's ARN and the plaintext, or `None` when it is not a ciphertext of
/// this sandbox or was made under another encryption context (`InvalidCiphertextException`).
pub fn decrypt(ciphertext: &[u8], context: &BTreeMap<String, String>) -> Option<(String, Vec<u8>)> {
    let sealed: Sealed = serde_json::from_slice(ciphertext).ok()?;
    if sealed.context != *context {
        return None;
    }
    Some((sealed.key, BASE64.decode(sealed.plaintext).ok()?))
}
