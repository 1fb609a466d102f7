import type { Validator, Verdict } from '../engine/validators.js';
import { isBirthDate } from './birth-date.js';
import {
  isEmailAddress,
  isInternationalPhone,
  isIpv4Address,
  isIpv6Address,
  isNationalPhone,
  isNorthAmericanPhone,
} from './contact.js';
import * as ids from './national-ids.js';
import { isIban, isPaymentCard } from './payment.js';

/**
 * The validators rules of personal data may name. What passes is `verified`: what looks like a placeholder elsewhere
 * (`4111 1111 1111 1111`, `jane@example.com`) is found too, since a filter is tried out with such values.
 */
export const PERSONAL_VALIDATORS: ReadonlyMap<string, Validator> = new Map(
  Object.entries<(written: string) => boolean>({
    'email-address': isEmailAddress,
    'international-phone': isInternationalPhone,
    'north-american-phone': isNorthAmericanPhone,
    'national-phone': isNationalPhone,
    'ipv4-address': isIpv4Address,
    'ipv6-address': isIpv6Address,
    'birth-date': isBirthDate,
    'payment-card': isPaymentCard,
    iban: isIban,
    'us-ssn': ids.isUsSsn,
    'us-itin': ids.isUsItin,
    'uk-nino': ids.isUkNino,
    'uk-nhs-number': ids.isUkNhsNumber,
    'de-tax-id': ids.isGermanTaxId,
    'de-id-card': ids.isGermanIdCard,
    'fr-nir': ids.isFrenchNir,
    'es-dni': ids.isSpanishDni,
    'it-tax-code': ids.isItalianTaxCode,
    'nl-bsn': ids.isDutchBsn,
    'in-aadhaar': ids.isAadhaar,
    'in-pan': ids.isIndianPan,
    'br-cpf': ids.isBrazilianCpf,
    'br-cnpj': ids.isBrazilianCnpj,
  }).map(([name, passes]): [string, Validator] => [
    name,
    (written): Verdict => (passes(written) ? 'verified' : 'refuted'),
  ]),
);
