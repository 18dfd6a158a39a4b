/** An object as the JSON API tells of it. */
export type StoredObject = Readonly<Record<string, unknown>>;

const noTime = "0001-01-01T00:00:00Z";

/** An object's attributes as Google's library for Go has them, which Dapr answers with. */
export function attributesOf(object: StoredObject): Record<string, unknown> {
  const text = (name: string): string => textOf(object, name);
  const number = (name: string): number => Number(object[name] ?? 0);
  const time = (name: string): string => goTime(text(name));
  const crc = Buffer.from(text("crc32c"), "base64");
  const { acl, owner, metadata, retention } = object;
  return {
    Bucket: text("bucket"),
    Name: text("name"),
    ContentType: text("contentType"),
    ContentLanguage: text("contentLanguage"),
    CacheControl: text("cacheControl"),
    EventBasedHold: object["eventBasedHold"] === true,
    TemporaryHold: object["temporaryHold"] === true,
    RetentionExpirationTime: time("retentionExpirationTime"),
    ACL: Array.isArray(acl) ? (acl as StoredObject[]).map(ruleOf) : null,
    PredefinedACL: "",
    Owner: textOf(Object(owner) as StoredObject, "entity"),
    Size: number("size"),
    ContentEncoding: text("contentEncoding"),
    ContentDisposition: text("contentDisposition"),
    MD5: text("md5Hash") || null,
    CRC32C: crc.length === 4 ? crc.readUInt32BE() : 0,
    MediaLink: text("mediaLink"),
    Metadata: typeof metadata === "object" ? metadata : null,
    Generation: number("generation"),
    Metageneration: number("metageneration"),
    StorageClass: text("storageClass"),
    Created: time("timeCreated"),
    Finalized: time("timeFinalized"),
    Deleted: time("timeDeleted"),
    Updated: time("updated"),
    CustomerKeySHA256: textOf(Object(object["customerEncryption"]) as StoredObject, "keySha256"),
    KMSKeyName: text("kmsKeyName"),
    Prefix: "",
    Etag: text("etag"),
    CustomTime: time("customTime"),
    ComponentCount: number("componentCount"),
    Retention: typeof retention === "object" ? retention : null,
    SoftDeleteTime: time("softDeleteTime"),
    HardDeleteTime: time("hardDeleteTime"),
  };
}

/** What a delimiter has gathered. */
export function prefixAttributes(prefix: string): Record<string, unknown> {
  return { ...attributesOf({}), Prefix: prefix };
}

function textOf(object: StoredObject, name: string): string {
  const value = object[name];
  return typeof value === "string" ? value : "";
}

function ruleOf(rule: StoredObject): Record<string, unknown> {
  const text = (name: string): string => textOf(rule, name);
  const team = Object(rule["projectTeam"]) as StoredObject;
  const hasTeam = rule["projectTeam"] !== undefined;
  return {
    Entity: text("entity"),
    EntityID: text("entityId"),
    Role: text("role"),
    Domain: text("domain"),
    Email: text("email"),
    ProjectTeam: hasTeam
      ? { ProjectNumber: textOf(team, "projectNumber"), Team: textOf(team, "team") }
      : null,
  };
}

/** The fraction without trailing zeros, as Go writes it. */
function goTime(text: string): string {
  return text === ""
    ? noTime
    : text.replace(/\.(\d*?)0+Z$/, (_, digits: string) => (digits === "" ? "Z" : `.${digits}Z`));
}
