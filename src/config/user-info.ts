/**
 * The user and password of a URL in any text. A password that nobody has encoded may hold anything,
 * so all up to the last @ of a word counts: rather too much is hidden than too little.
 */
const USER_INFO = /(?<=:\/\/)(?:\\.|[^\s"\\])*@/g;

/** For logs and messages. */
export function maskUserInfo(text: string): string {
  return text.replace(USER_INFO, "***@");
}

/** For those who are to use the URL. */
export function withoutUserInfo(text: string): string {
  return text.replace(USER_INFO, "");
}
