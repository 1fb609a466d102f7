import { isIPv4, isIPv6 } from 'node:net';
import { digitsOf, isOneDigitOverAndOver } from './check-digits.js';

/** Top-level domains that people have mail under. Unlisted endings are mostly files: `icon@2x.png`. Source: IANA's root zone. */
const TOP_LEVEL_DOMAINS: ReadonlySet<string> = new Set(
  `ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf
  cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh
  gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr
  kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf
  ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm
  sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf
  ws ye yt za zm zw com org net edu gov mil int info biz name pro aero coop museum mobi jobs travel tel cat asia post
  academy africa agency ai app art bank bar beer berlin bike bio blog business cafe capital care cash center chat church
  city cloud club co coach codes coffee college community company computer consulting cool dating design dev digital
  direct doctor dog earth email energy engineer engineering estate eus events expert express family fan farm fashion
  finance fitness fm foundation fun fund gal gallery game games gay global gmbh gold golf group guide guru haus health
  hamburg help holdings host hotel house immo inc industries ink institute insurance international jetzt kitchen koeln koln
  land law legal life link live llc london lol love ltd management market marketing media med moda money moscow music
  network news ngo ninja nrw nyc one ong online ooo ovh page paris partners party pet pharmacy photo photography photos
  pizza plus press productions properties pub rent report rest reviews rio rocks ruhr run saarland sale salon school science
  scot security services shop show site ski social software solar solutions space store stream studio style support swiss
  systems tax taxi team tech technology tirol tips today tokyo tools top tours town trade training university vacations
  ventures vet video villas vin vip vision vote wales wang watch website wien wiki wine work works world wtf xin xyz yoga
  zone example test`.split(/\s+/),
);

/** Addresses that name a service to log in at, not a person: `git@github.com:team/project`. */
const NOBODY = /^(?:git|hg|svn)$/i;

/** An e-mail address by its shape and its ending. */
export function isEmailAddress(written: string): boolean {
  const at = written.lastIndexOf('@');
  const local = written.slice(0, at).replace(/^[._%+-]+/, '');
  const labels = written.slice(at + 1).split('.');
  const ending = labels.at(-1)?.toLowerCase() ?? '';
  if (local === '' || local.includes('..') || NOBODY.test(local)) return false;
  return TOP_LEVEL_DOMAINS.has(ending) && labels.every((label) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(label));
}

/** Calling codes of ITU-T E.164; those of one and two digits stand for all that begin with them. */
const CALLING_CODES =
  /^(?:1|7|2[07]|2[1-6]\d|29[0178]|3[0-469]|3[578]\d|4[013-9]|42[013]|5[1-8]|5[09]\d|6[0-6]|6[789]\d|8[1246]|8[05-8]\d|9[0-58]|9[679]\d)/;

const NORTH_AMERICAN = /^[2-9]\d{2}[2-9]\d{6}$/;

/** A telephone number with its country: a calling code that exists, nine to fifteen digits. */
export function isInternationalPhone(written: string): boolean {
  const digits = digitsOf(written).replace(/^00/, '');
  if (digits.length < 9 || digits.length > 15 || !CALLING_CODES.test(digits)) return false;
  if (isOneDigitOverAndOver(digits.slice(1))) return false;
  return !digits.startsWith('1') || NORTH_AMERICAN.test(digits.slice(1));
}

/** Ten digits as North America's numbering plan gives them out: neither area nor exchange begins with 0 or 1. */
export function isNorthAmericanPhone(written: string): boolean {
  return NORTH_AMERICAN.test(digitsOf(written));
}

const DATE =
  /(?<!\d)(?:(?:19|20)\d\d[./-][01]?\d[./-][0-3]?\d|[0-3]?\d[./-][01]?\d[./-](?:19|20)\d\d|20\d\d[01]\d[0-3]\d)(?!\d)/;

/** A telephone number as written within a country, beside a word that says so: seven to thirteen digits, and no date. */
export function isNationalPhone(written: string): boolean {
  const digits = digitsOf(written);
  return digits.length >= 7 && digits.length <= 13 && !isOneDigitOverAndOver(digits) && !DATE.test(written);
}

/** An IPv4 address that belongs to a machine other than one's own. */
export function isIpv4Address(written: string): boolean {
  return isIPv4(written) && !/^(?:0|127|255)\./.test(written);
}

/** An IPv6 address that belongs to a machine other than one's own; shorter ones are words of programs (`a::b`). */
export function isIpv6Address(written: string): boolean {
  return written.length >= 6 && /\d/.test(written) && isIPv6(written);
}
