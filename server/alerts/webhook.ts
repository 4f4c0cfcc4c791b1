import { request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import { webhookBody } from "../../core/alerts/notice.ts";
import { type Channel, sendLimitMs, trusted } from "./channel.ts";

/** Posts notices to a URL, as Slack and its like take them. The URL is a secret: no error names it. */
export function webhookChannel(url: string, caCertificate: string): Channel {
  return {
    name: "webhook",
    send: async (notice) => {
      const status = await post(new URL(url), JSON.stringify(webhookBody(notice)), trusted(caCertificate));
      if (status < 200 || status > 299) throw new Error(`the receiver answered HTTP ${status}`);
    },
  };
}

function post(url: URL, body: string, ca: string[] | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions & { ca?: string[] } = {
      method: "POST",
      agent: false,
      signal: AbortSignal.timeout(sendLimitMs),
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      ...(ca === undefined ? {} : { ca }),
    };
    const outgoing = (url.protocol === "https:" ? tlsRequest : plainRequest)(url, options, (incoming) => {
      incoming.on("error", reject);
      incoming.on("end", () => resolve(incoming.statusCode ?? 0));
      incoming.resume();
    });
    outgoing.on("error", (error) =>
      reject(
        error.name === "AbortError" || error.name === "TimeoutError"
          ? new Error(`no answer within ${sendLimitMs / 1000} s`)
          : error,
      ),
    );
    outgoing.end(body);
  });
}
