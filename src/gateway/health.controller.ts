import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  type HealthCheckResult,
  HealthCheckService,
  type HealthIndicatorFunction,
  HealthIndicatorService,
} from '@nestjs/terminus';
import { SnapshotService } from '../config/snapshot.service.js';
import { DatabaseService } from '../database/database.service.js';
import { USAGE_JOURNAL, type UsageJournal } from '../domain/accounting.js';
import { AUDIT_TRAIL, type AuditTrail } from '../domain/audit.js';
import { AEGIS_VERSION } from '../domain/version.js';
import { LifecycleService } from '../lifecycle/lifecycle.service.js';
import { RedisService } from '../redis/redis.service.js';
import { RouteAccess } from '../request-context/access.decorator.js';
import { type ProviderState, type ProviderStatus } from '../router/provider-status.js';
import { RouterService } from '../router/router.service.js';
import { WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { healthResponses } from './openapi.js';

/**
 * For probes and people, without a key: versions, states and counts, never an address, a model, a team or a reason that
 * could name one. Every answer is what is known already: no probe costs a store or an upstream a call.
 */
@ApiTags('Health')
@Controller('aegis/v1/health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly lifecycle: LifecycleService,
    private readonly snapshots: SnapshotService,
    private readonly database: DatabaseService,
    private readonly redis: RedisService,
    private readonly router: RouterService,
    @Inject(USAGE_JOURNAL) private readonly journal: UsageJournal,
    @Inject(AUDIT_TRAIL) private readonly audit: AuditTrail,
    @Inject(WORKER_ROLE) private readonly role: WorkerRole,
  ) {}

  @Get()
  @RouteAccess('public')
  @Header('cache-control', 'no-store')
  @healthResponses()
  @ApiOperation({ summary: 'Everything at a glance; 503 where requests cannot be served.' })
  summary(): Promise<HealthCheckResult> {
    return this.health.check([
      this.processState,
      this.configuration,
      this.databaseState,
      this.redisState,
      this.circuitState,
      this.providerStates,
      this.accountingState,
      this.auditState,
    ]);
  }

  @Get('live')
  @RouteAccess('public')
  @Header('cache-control', 'no-store')
  @healthResponses()
  @ApiOperation({ summary: 'Liveness probe: the event loop answers.' })
  live(): Promise<HealthCheckResult> {
    return this.health.check([]);
  }

  @Get('ready')
  @RouteAccess('public')
  @Header('cache-control', 'no-store')
  @healthResponses()
  @ApiOperation({ summary: 'Readiness probe: send requests here, or not.' })
  ready(): Promise<HealthCheckResult> {
    return this.health.check([this.processState, this.databaseState, this.accountingState, this.auditState]);
  }

  private readonly processState: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('process');
    const { phase, inFlight } = this.lifecycle;
    const uptimeSeconds = Math.floor(process.uptime());
    const facts = {
      version: AEGIS_VERSION,
      node: process.version,
      uptimeSeconds,
      phase,
      inFlight,
      ...(this.role.primary !== null && { worker: this.role.number }),
    };
    return phase === 'serving' ? indicator.up(facts) : indicator.down(facts);
  };

  /** A refused reload is no reason to take the gateway out: the last good configuration goes on serving. */
  private readonly configuration: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('configuration');
    const { version, loadedAtMs, lastError, lastFailedAtMs, pendingRestart } = this.snapshots.status;
    const facts = {
      version,
      loadedAt: new Date(loadedAtMs).toISOString(),
      ageSeconds: Math.max(0, Math.floor((Date.now() - loadedAtMs) / 1000)),
      pendingRestart: [...pendingRestart],
    };
    if (lastError === null) return indicator.up(facts);
    const refusedAt = lastFailedAtMs === null ? null : new Date(lastFailedAtMs).toISOString();
    return indicator.degraded({ ...facts, refusedAt, message: 'The files on disk are not valid; see the log.' });
  };

  private readonly circuitState: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('circuits');
    const statuses = this.router.describeProviders(this.snapshots.current);
    const open = statuses.reduce((sum, { circuits }) => sum + circuits.open, 0);
    const halfOpen = statuses.reduce((sum, { circuits }) => sum + circuits.half_open, 0);
    return open + halfOpen === 0 ? indicator.up({ open, halfOpen }) : indicator.degraded({ open, halfOpen });
  };

  /** A provider's outage is no reason to take the gateway out: other targets may serve, and taking it out mends nothing. */
  private readonly providerStates: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('providers');
    const statuses = this.router.describeProviders(this.snapshots.current);
    const facts = Object.fromEntries(statuses.map((status) => [status.name, describeProvider(status)]));
    return statuses.some(({ state }) => isTroubled(state)) ? indicator.degraded(facts) : indicator.up(facts);
  };

  private readonly accountingState: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('accounting');
    const facts = { waiting: this.journal.depth };
    if (this.journal.isWritable) return indicator.up(facts);
    const message = 'Usage cannot be recorded.';
    return this.snapshots.current.gateway.accounting.onFailure === 'open'
      ? indicator.degraded({ ...facts, message })
      : indicator.down({ ...facts, message });
  };

  private readonly auditState: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('audit');
    const facts = { enabled: this.audit.isEnabled, waiting: this.audit.depth };
    if (this.audit.isWritable) return indicator.up(facts);
    const message = 'Decisions cannot be recorded.';
    return this.snapshots.current.gateway.audit.onFailure === 'open'
      ? indicator.degraded({ ...facts, message })
      : indicator.down({ ...facts, message });
  };

  private readonly databaseState: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('database');
    const { state } = this.database.health;
    switch (state) {
      case 'healthy':
        return indicator.up();
      case 'degraded':
        return indicator.degraded({ message: 'Unreachable; keys that are known go on being served.' });
      case 'down':
        return indicator.down({ message: 'Unreachable.' });
      default:
        return state satisfies never;
    }
  };

  private readonly redisState: HealthIndicatorFunction = () => {
    const indicator = this.indicators.check('redis');
    const { state } = this.redis.health;
    switch (state) {
      case 'healthy':
        return indicator.up();
      case 'disabled':
        return indicator.up({ message: 'Not configured.' });
      case 'degraded':
        return indicator.degraded({ message: 'Unreachable; the gateway serves without it.' });
      default:
        return state satisfies never;
    }
  };
}

function describeProvider({ state, circuits, cooldownMs, isCredentialRefused, isSaturated }: ProviderStatus): object {
  return {
    state,
    circuits: { closed: circuits.closed, halfOpen: circuits.half_open, open: circuits.open },
    cooldownSeconds: cooldownMs === null ? 0 : Math.ceil(cooldownMs / 1000),
    credential: state === 'unconfigured' ? 'missing' : isCredentialRefused ? 'refused' : 'not refused',
    saturated: isSaturated,
  };
}

/** What has no credential was left so by whoever runs AEGIS. */
function isTroubled(state: ProviderState): boolean {
  switch (state) {
    case 'available':
    case 'unconfigured':
      return false;
    case 'degraded':
    case 'unavailable':
      return true;
    default:
      return state satisfies never;
  }
}
