/** The keys that all contenders sign with. */
export const keys = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
} as const;

/** Of the storage account `account`. */
export const accountKey = Buffer.from("a key of 32 bytes, which is none").toString("base64");
