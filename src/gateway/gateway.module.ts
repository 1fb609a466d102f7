import { Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { LimitsModule } from '../accounting/limits/limits.module.js';
import { ApiKeyGuard } from '../auth/api-key.guard.js';
import { AuthModule } from '../auth/auth.module.js';
import { AnswerFilterInterceptor } from '../filter/answer-filter.interceptor.js';
import { FilterModule } from '../filter/filter.module.js';
import { RouterModule } from '../router/router.module.js';
import { TelemetryModule } from '../telemetry/telemetry.module.js';
import { ChatCompletionsController } from './chat-completions.controller.js';
import { ChatRequestPipe } from './chat-request.pipe.js';
import { HealthController } from './health.controller.js';
import { ChatInterceptors, EntryInterceptors } from './interceptor-chain.js';
import { ModelsController } from './models.controller.js';
import { OpenAiErrorFilter } from './openai-error.filter.js';
import { OpenApiController } from './openapi.controller.js';
import { Admission } from './overload/admission.js';
import { FrontDoor } from './overload/front-door.js';
import { SseInterceptor } from './sse.interceptor.js';

/** The HTTP surface. Every route passes the guard; every error leaves through the filter. */
@Module({
  imports: [
    TerminusModule.forRoot({ logger: false }),
    AuthModule,
    FilterModule,
    LimitsModule,
    RouterModule,
    TelemetryModule,
  ],
  controllers: [HealthController, ChatCompletionsController, ModelsController, OpenApiController],
  providers: [
    ChatRequestPipe,
    SseInterceptor,
    Admission,
    FrontDoor,
    { provide: APP_GUARD, useExisting: ApiKeyGuard },
    AnswerFilterInterceptor,
    ChatInterceptors,
    { provide: APP_INTERCEPTOR, useClass: EntryInterceptors },
    { provide: APP_FILTER, useClass: OpenAiErrorFilter },
  ],
})
export class GatewayModule {}
