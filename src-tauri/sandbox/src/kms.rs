//! KMS: data keys under an encryption context.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::conditions::Key;
use crate::wire::{Fail, Json};
use crate::world::Ctx;

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

/// Does one call.
pub(crate) fn call(ctx: &mut Ctx<'_>, operation: &str, json: Json<'_>) -> Result<Value, Fail> {
    match operation {
        "GenerateDataKey" => generate(ctx, json),
        "Decrypt" => open(ctx, json),
        "DescribeKey" => describe(ctx, json),
        _ => Err(Fail::new(
            "UnsupportedOperation",
            format!("The sandbox has no operation {operation} in KMS."),
        )),
    }
}

fn find<'a>(ctx: &Ctx<'a>, name: &str) -> Result<&'a Key, Fail> {
    let conditions = ctx.conditions;
    conditions.keys.iter().find(|key| key.is_called(name)).ok_or_else(|| {
        let (kind, arn) = match name.strip_prefix("alias/") {
            Some(_) => ("Alias", format!("arn:aws:kms:{}:{}:{name}", ctx.region, ctx.owner())),
            None if name.starts_with("arn:") => ("Key", name.to_owned()),
            None => ("Key", format!("arn:aws:kms:{}:{}:key/{name}", ctx.region, ctx.owner())),
        };
        Fail::new("NotFoundException", format!("{kind} '{arn}' does not exist"))
    })
}

/// Either `NumberOfBytes` (1 to 1024) or `KeySpec`
/// (docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html).
fn generate(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let key = find(ctx, json.need("KeyId")?)?;
    let arn = key.arn(ctx.owner(), ctx.region);
    if !key.enabled {
        return Err(Fail::new("DisabledException", format!("{arn} is disabled.")));
    }
    let bytes = match (json.number("NumberOfBytes"), json.text("KeySpec")) {
        (Some(number @ 1..=1024), None) => usize::try_from(number).unwrap_or(32),
        (None, Some("AES_256")) => 32,
        (None, Some("AES_128")) => 16,
        (_, _) => {
            return Err(Fail::new(
                "ValidationException",
                "Please specify either number of bytes or key spec.",
            ));
        }
    };
    let mut plaintext = Vec::with_capacity(bytes + 8);
    while plaintext.len() < bytes {
        plaintext.extend(ctx.ids.number().to_be_bytes());
    }
    plaintext.truncate(bytes);
    let ciphertext = encrypt(&arn, &json.map("EncryptionContext"), &plaintext);
    Ok(json!({
        "CiphertextBlob": BASE64.encode(ciphertext),
        "Plaintext": BASE64.encode(plaintext),
        "KeyId": arn,
    }))
}

fn open(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let refused = || Fail::new("InvalidCiphertextException", "");
    let blob = BASE64.decode(json.need("CiphertextBlob")?).map_err(|_| refused())?;
    let (arn, plaintext) = decrypt(&blob, &json.map("EncryptionContext")).ok_or_else(refused)?;
    if let Some(named) = json.text("KeyId")
        && find(ctx, named)?.arn(ctx.owner(), ctx.region) != arn
    {
        return Err(Fail::new(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ));
    }
    if !find(ctx, &arn)?.enabled {
        return Err(Fail::new("DisabledException", format!("{arn} is disabled.")));
    }
    Ok(json!({
        "KeyId": arn,
        "Plaintext": BASE64.encode(plaintext),
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

fn describe(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let key = find(ctx, json.need("KeyId")?)?;
    let by_aws = key.alias.as_deref().is_some_and(|alias| alias.starts_with("alias/aws/"));
    Ok(json!({
        "KeyMetadata": {
            "AWSAccountId": ctx.owner(),
            "KeyId": key.id,
            "Arn": key.arn(ctx.owner(), ctx.region),
            "Enabled": key.enabled,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": if key.enabled { "Enabled" } else { "Disabled" },
            "Origin": "AWS_KMS",
            "KeyManager": if by_aws { "AWS" } else { "CUSTOMER" },
            "KeySpec": "SYMMETRIC_DEFAULT",
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": false,
        }
    }))
}
