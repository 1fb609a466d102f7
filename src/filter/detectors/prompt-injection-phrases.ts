/**
 * What a phrase does in an attempt to take over a model. Families are told from combinations: a verb alone says nothing.
 */
export type Concept =
  | 'override' // a verb that sets aside
  | 'override-usual' // verbs that programs and laws use too
  | 'override-weak'
  | 'before' // what was said before
  | 'yours' // the model's own
  | 'systems' // the operator's
  | 'all'
  | 'mine' // the writer's own
  | 'theirs' // somebody's of whom is told
  | 'instructions'
  | 'rules'
  | 'everything'
  | 'message'
  | 'reveal'
  | 'reveal-weak'
  | 'own-prompt' // the model's instructions, by name
  | 'text-above'
  | 'verbatim'
  | 'become'
  | 'unbound' // free of all rules
  | 'unbound-weak'
  | 'persona' // names that stand for a model without rules
  | 'from-now-on'
  | 'new-orders'
  | 'marker' // pretends that another role begins to speak
  | 'secrecy' // the user must not know
  | 'to-the-model' // addressed to whatever model reads it
  | 'send'
  | 'private-data'
  | 'about'; // texts about attacks, not attacks

/**
 * Phrases by concept, a list a language, `|` between. A phrase is found where a word begins; `$` at its end: whole words only.
 * Case, accents, look-alike letters, digits for letters and what stands between words make no difference.
 * (`t\u006fdo` is Spanish for all: spelled so that nobody takes it for a note to oneself.)
 */
export const SPACED_PHRASES: Readonly<Record<Concept, readonly string[]>> = {
  override: [
    "ignor|disregard|forget$|neglect|do the opposite of|pay no attention|do not follow|don't follow|do not obey|don't obey|stop following|stop obeying|no longer follow|no longer bound|no longer count|put aside|throw away|wipe out|nullif",
    'vergiss|vergesse$|lass alle|lasse alle|vergessen sie|missacht|umgeh|setz dich uber|setze dich uber|befolge nicht|beachte nicht|hinwegsetz|übergeh',
    'oublie|ne tiens pas compte|ne tenez pas compte|fais abstraction|faites abstraction|contourne|outrepasse|ne suis plus|ne respecte',
    'olvida$|olvide|olvidate|omite las|haz caso omiso|no hagas caso|no sigas|pasa por alto|desobedec|descarta',
    'dimentica|trascura|non seguire|non tenere conto|scavalca|aggira|non considerare',
    'esquec|desconsider|nao siga|contorne|despreze|ignora$',
    'negeer|vergeet|sla geen acht|volg niet|omzeil|trek je niets aan',
    'игнориру|проигнориру|забудь|забудьте|не обращай внимания|не следуй|отмени|пренебрег|обойди|отбрось',
    'zignoruj|zapomnij|pomin wszystkie|yoksay|unut$|gormezden gel|dikkate alma',
  ],
  'override-usual': ['override|overrule|bypass|circumvent|set aside'],
  'override-weak': [
    'skip|discard|drop|cancel|erase|delete|replace|remove|disable|turn off|deactivate|violat|break|unlearn',
    'losch|verwirf|deaktivier|ersetz|uberschreib|überschreib',
    'supprim|remplace|desactiv|annule|efface',
    'elimina|borra|reemplaza|desactiva|anula|cancela|sostituisci|disattiva|apague|substitua',
    'verwijder|vervang|wis alle|удали|замени|отключи',
  ],
  before: [
    "previous|prior|preceding|above|earlier|foregoing|past|before this|so far|up to now|until now|up to this point|you were told|you have been told|you've been told|you were given|you have been given|you've been given|you received|given to you|told you before|initial|original|at the beginning|you were instructed",
    'vorherig|vorig|bisherig|obig|fruher|frueher|vorangegangen|vorangehend|vorstehend|zuvor|ursprunglich|ursprünglich|bis jetzt|dir gegeben|davor',
    "precedent|anterieur|ci dessus|au dessus|initial|d'origine|jusqu'ici|recues|d'avant",
    'anterior|previ|de arriba|hasta ahora|inicial|original|que te dieron|recibid|antes',
    'precedent|di prima|qui sopra|sopra|iniziali|originali|finora|ricevut|stato detto|detto prima',
    'anteriores|acima|ate agora|iniciais|originais|recebid',
    'vorige|eerdere|voorgaande|bovenstaande|hierboven|hiervoor|tot nu toe|oorspronkelijke',
    'предыдущ|прежн|выше|ранее|прошл|изначальн|первоначальн|до этого|poprzedni|wczesniejsz|onceki',
  ],
  systems: [
    'system$|system level|developer|safety|security|ethical|moral|content polic|internal|hidden|built in|openai|anthropic|interne|sicherheits|systemanweis|securite|internas|seguridad|sicurezza|seguranca|veiligheids|системн|внутренн|безопасност',
  ],
  yours: [
    'your$|you have$',
    'dein$|deine$|deinen$|deiner$|deines$|ihre$|ihren$|euren$|eure$',
    'ton$|ta$|tes$|votre$|vos$|tu$|tus$|su$|sus$|tuo$|tua$|tue$|tuoi$|vostre$',
    'seu$|sua$|seus$|suas$|teu$|tua$|teus$|tuas$|je$|jouw$|uw$',
    'твои|твой|твоего|твоих|свои|своих|ваши|тебя$|тебе$',
  ],
  all: [
    'all$|any$|every|each of|whatever|alle$|allen$|alles$|samtliche|sämtliche|jegliche|tout|toute|tous|toutes|t\u006fdo|toda|todos|todas|tutto|tutte|tutti|tudo|al$|elke|все$|всех$|любые|всё$|wszystk|tum$|butun',
  ],
  mine: [
    'my$|our last|i sent|i gave|meine$|meinen$|meiner$|mon$|ma$|mes$|mi$|mis$|mio$|mia$|miei$|mie$|meu$|minha|mijn$|мой$|мои$|мое$|моё$|моего',
  ],
  theirs: [
    "its$|their$|the model's|model to|model into|llm to|llm into|assistant into|chatbot into|seine$|seiner$|ses$|leurs|haar$|его$|ее$|их$",
  ],
  instructions: [
    'instruction|directive|prompt|guideline|guardrail|guard rail|programming|system message|safeguard|content filter|safety measure|safety protocol|limitation|restriction',
    'anweisung|instruktion|vorgabe|richtlinie|anleitung|direktive|schutzmassnahm|schutzmaßnahm|einschrankung|beschränkung|systemprompt|eingabeaufforderung',
    'instruction|consigne|directive|invite systeme|garde fou|restriction',
    'instruccion|directriz|directric|indicacion|restriccion|salvaguard',
    'istruzion|direttiv|indicazion|restrizion|linee guida',
    'instruc|diretriz|orientac|restric|instructie|aanwijzing|richtlijn|beperking',
    'инструкц|указани|директив|промпт|ограничени|установк|instrukcj|polecen|wytyczn|talimat|yonerge',
  ],
  rules: [
    'rule|command|orders$|polic|constraint|context|training|filter|protocol|standard|boundar|law$|laws$|ethic|principle',
    'regel|befehl|vorschrift|kontext|filter|regle|commande|ordre|contexte|politique|regla|orden|politica|contexto|regol|ordin|comand|contesto|regra|ordem|ordens|opdracht|bevel|правил|команд|приказ|контекст|фильтр|zasad|kural',
  ],
  everything: [
    'everything|all of that|all of this|all of the above|all the above|what you were told|what you have been told|what was said|what i said before|anything you|the above$|all that came',
    'alles was|alles andere|alles vorherige|alles zuvor|alles bisherige|alles davor|tout ce qui|tout ce que|t\u006fdo lo|tutto cio|tutto quello|tutto quanto|tudo o que|tudo que|alles wat|alles hierboven|все что|всё что|все сказанн|все написанн|все выше',
  ],
  message: [
    'message|conversation|text|chat$|dialog|nachricht|gesprach|mensaje|conversacion|messaggio|conversazione|mensagem|conversa$|bericht|сообщени|разговор',
  ],
  reveal: [
    'reveal|leak|disclose|print|repeat|output|dump|recite|expose|divulge|regurgitate|spit out|copy and paste|echo$|type out|spell out|write out|reproduce|quote$|show me|tell me',
    'wiederhol|offenbar|gib mir|gib deine|gib den|gib alle|gib die|zeig mir|zeige mir|verrat|nenne mir|drucke|enthull|offenleg|ausgeben|zitiere',
    'repete|revele|affiche|montre moi|donne moi|divulgue|imprime|recopie|cite$|dis moi',
    'repite|revela|muestra|muestrame|imprime|divulga|copia$|dime$|ensename|escribe',
    'ripeti|rivela|mostra|mostrami|stampa|divulga|dimmi|elenca',
    'repita|revele|mostre|mostra|imprima|divulgue|diga me|exiba|escreva',
    'herhaal|onthul|toon|laat zien|laat me|druk af|geef me|vertel',
    'повтори|раскрой|покажи|выведи|напечатай|расскажи|перечисли|процитируй|сообщи|выдай|powtorz|pokaz|ujawnij|goster|tekrarla',
  ],
  'reveal-weak': [
    "show|display|share|what is|what are|what's|what were|what was|give me|complete this|finish this|list|translate|summari|describe|return|encode|convert|provide|explain|send me|begin your|start your|complete the|how do your|paste",
    'zeig|was steht|was sind|wie lautet|wie lauten|welche|ubersetz|fasse|quelles sont|quel est|quelle est|traduis|resume|cuales son|cual es|traduce|resumen|quali sono|qual e|traduci|riassumi|quais sao|qual e|traduza|resuma|wat is|wat zijn|vertaal|какой|какие|каков|переведи|опиши',
  ],
  'own-prompt': [
    'system prompt|system message|system instruction|initial prompt|initial instruction|original prompt|original instruction|hidden prompt|hidden instruction|hidden rule|secret instruction|secret prompt|secret rule|confidential instruction|confidential prompt|internal instruction|internal prompt|internal guideline|developer message|developer prompt|developer instruction|pre prompt|preprompt|your prompt|your instruction|your directive|your full prompt|your entire prompt|your exact instruction|your guideline|your rules$|instructions you were given|instructions you have been given|instructions you received|instructions given to you|prompt you were given|rules you were given|your programming|your context window|your initial|your system|your hidden|your secret instruction|instructions at the top|what were you told|what you were told|prompt that comes before|prompt before this|prompt above|text of the prompt|text of your|content of your prompt|your rules and',
    'systemprompt|system prompt|systemanweisung|systemnachricht|deine anweisung|deine instruktion|deinen prompt|deine vorgaben|deine regeln|deine richtlinien|ihre anweisungen|interne anweisung|internen anweisung|geheimen anweisung|versteckten anweisung|ursprungliche anweisung|ursprunglichen anweisung|urspruengliche',
    'prompt systeme|invite systeme|message systeme|instructions systeme|tes instructions|tes consignes|vos instructions|vos consignes|instructions initiales|instructions internes|instructions cachees|consignes initiales|ton prompt|votre prompt|tes regles',
    'prompt del sistema|prompt de sistema|mensaje del sistema|mensaje de sistema|instrucciones del sistema|tus instrucciones|sus instrucciones|instrucciones iniciales|instrucciones originales|instrucciones internas|instrucciones ocultas|tu prompt|tus reglas|indicaciones del sistema',
    'prompt di sistema|messaggio di sistema|istruzioni di sistema|tue istruzioni|vostre istruzioni|istruzioni iniziali|istruzioni originali|istruzioni interne|istruzioni nascoste|tuo prompt|tue regole',
    'prompt do sistema|prompt de sistema|mensagem do sistema|mensagem de sistema|instrucoes do sistema|suas instrucoes|tuas instrucoes|instrucoes iniciais|instrucoes originais|instrucoes internas|instrucoes ocultas|seu prompt|suas regras',
    'systeemprompt|systeeminstructie|systeembericht|je instructies|jouw instructies|uw instructies|oorspronkelijke instructies|verborgen instructies|interne instructies',
    'системный промпт|системный запрос|системное сообщение|системные инструкции|системную инструкцию|системный промт|твои инструкции|свои инструкции|ваши инструкции|исходные инструкции|первоначальные инструкции|скрытые инструкции|внутренние инструкции|свой промпт|твой промпт|твои правила|systemowy|twoje instrukcje|sistem istemi|sistem talimat',
  ],
  'text-above': [
    'words above|text above|everything above|sentences above|content above|lines above|all above|above text|above words|conversation above|message above|before this message|above this line|before this line|preceding text|everything before|text oberhalb|den text oben|alles oberhalb|alles uber dieser|texte ci dessus|tout ce qui precede|texto anterior|texto de arriba|t\u006fdo lo anterior|testo sopra|testo precedente|texto acima|tudo acima|tekst hierboven|текст выше|все выше|всё выше',
  ],
  verbatim: [
    'verbatim|word for word|exactly as|character for character|starting with you are|beginning with you are|starting with the|in a code block|in full|in a text block|without changes|do not summarize|wortlich|wörtlich|wort fur wort|mot pour mot|mot a mot|textuellement|palabra por palabra|literalmente|parola per parola|palavra por palavra|woord voor woord|letterlijk|дословно|слово в слово',
  ],
  become: [
    "you are now|where you are|you have been freed|you are free|as if you|as if your|you're now|act as|act like|pretend|role play|roleplay|simulate|imagine you|behave as|behave like|you will be|you will now|you shall be|respond as|answer as|play the role|take on the role|become$|enter|switch to|activate|enable|emulate|let's play|hypothetical|stay in character",
    'du bist jetzt|du bist nun|tu so|verhalte dich|spiele|spiel$|stell dir vor|agiere|simuliere|schlupf|ab jetzt bist|tu es maintenant|vous etes maintenant|fais semblant|agis comme|comporte toi|joue le role|imagine que|incarne|reponds comme',
    'ahora eres|a partir de ahora eres|actua como|finge|haz de cuenta|simula|imagina que|comportate|responde como|sei ora|ora sei|adesso sei|fingi|agisci|comportati|interpreta|immagina|rispondi come',
    'agora voce|voce agora|voce e agora|finja|aja como|simule|imagine que|comporte se|responda como|je bent nu|doe alsof|gedraag je|speel|stel je voor|antwoord als',
    'ты теперь|теперь ты|притворись|представь|веди себя|действуй как|играй роль|отвечай как|вообрази|вживись|jestes teraz|udawaj|artik sen|gibi davran',
  ],
  unbound: [
    "no restriction|without restriction|without any restriction|without limit|without any limit|unrestricted|unfiltered|uncensored|no filter|without filter|without any filter|no rules|without rules|without any rules|no ethical|no moral|amoral|without ethical|without moral|without any ethical|without any moral|no guideline|without guideline|without any guideline|no limitation|without limitation|not bound|no longer bound|isn't bound|free of all|free from all|free from any|freed from|policy did not exist|policy does not exist|rules did not exist|ignores all|no censorship|without censorship|without safety|no safety|never refuse|cannot refuse|can't refuse|must not refuse|no content polic|do not apply to you|does not apply to you|don't apply to you|jailbroken|bypasses all|broken free|anything goes|no boundaries|no morals|no ethics",
    'ohne einschrankung|ohne jede einschrankung|ohne beschrankung|ohne jegliche|ohne regeln|ohne filter|ohne grenzen|uneingeschrankt|unzensiert|ungefiltert|keine regeln|keine einschrankung|keine ethisch|keine grenzen|keine richtlinien|keinerlei|ohne moral|nicht gebunden|ohne zensur',
    'sans restriction|sans aucune restriction|sans limite|sans aucune limite|sans filtre|sans aucun filtre|sans regle|sans aucune regle|sans censure|non censure|aucune restriction|aucune regle|aucune limite|sans morale|sans ethique',
    'sin restriccion|sin ninguna restriccion|sin limite|sin ningun limite|sin filtro|sin ningun filtro|sin reglas|sin censura|no tienes restriccion|no tienes reglas|ninguna restriccion|sin etica|sin moral|que no tiene reglas|no tiene restriccion',
    'senza restrizion|senza alcuna restrizion|senza limit|senza alcun limite|senza filtri|senza regole|senza censura|nessuna restrizion|nessuna regola|nessun limite|senza etica|senza morale',
    'sem restric|sem nenhuma restric|sem limite|sem nenhum limite|sem filtro|sem regras|sem nenhuma regra|sem censura|nenhuma restric|sem etica|sem moral',
    'zonder beperking|zonder enige beperking|zonder regels|zonder filter|zonder grenzen|zonder censuur|geen regels|geen beperking|ongecensureerd|ongefilterd|onbeperkt',
    'без ограничений|без каких либо ограничений|без правил|без цензуры|без фильтров|без морали|никаких ограничений|никаких правил|не ограничен|неограниченн|нет ограничений|нет правил|bez ograniczen|bez cenzury|bez zasad|sinirsiz|kisitlama olmadan|sansursuz',
  ],
  'unbound-weak': [
    'do anything now|developer mode|debug mode|admin mode|sudo mode|root access|maintenance mode|god mode|opposite mode|evil$|villain|unethical|illegal|immoral|rebel|no longer an ai|entwicklermodus|bose ki|mode developpeur|modo desarrollador|modalita sviluppatore|modo desenvolvedor|ontwikkelaarsmodus|режим разработчика|режиме разработчика',
  ],
  persona: [
    'dan mode|as dan$|called dan$|named dan$|are dan$|dan stands for|dan do anything|you are dan|act as dan|do anything now dan|developer mode enabled|developer mode output|jailbreak mode|jailbreak enabled|god mode enabled|god mode activated|evil confidant|always intelligent and machiavellian|strive to avoid norms|stan mode|dude mode|mongo tom|unrestricted ai|unfiltered ai|uncensored ai|evil ai$|anti gpt|antigpt|betterdan|devmode|opposite day mode|grandma used to|deceased grandmother|modus dan|modo dan|mode dan|modalita dan|режим dan|режиме dan',
  ],
  'from-now-on': [
    "from now on|from this moment|henceforth|from here on|going forward you|ab jetzt|ab sofort|von nun an|desormais|a partir de maintenant|dorenavant|de ahora en adelante|a partir de ahora|d'ora in poi|da ora in poi|da questo momento|a partir de agora|de agora em diante|vanaf nu|с этого момента|отныне|теперь ты",
  ],
  'new-orders': [
    'new instruction|new system instruction|your new task|new task|your new role|new rule|new directive|updated instruction|your real task|your actual task|your true purpose|real instruction|actual instruction|instead do|instead say|instead output|instead respond|instead print|and say$|and just say|only say|just respond with|only respond with|you must now|you must obey|you must comply|you will comply|obey me|obey only|neue anweisung|neue aufgabe|deine neue|stattdessen|nouvelle instruction|nouvelle tache|nouvelles instructions|a la place|nueva tarea|nuevas instrucciones|en su lugar|nuova istruzione|nuove istruzioni|nuovo compito|nova tarefa|novas instrucoes|em vez disso|nieuwe instructie|nieuwe taak|in plaats daarvan|новая задача|новые инструкции|новая инструкция|вместо этого',
  ],
  marker: [
    "system override|admin override|override code|override protocol|developer override|end of system prompt|end of prompt|end of instruction|end system prompt|end of user input|end of context|end of document|end user input|begin system|begin admin|begin new instruction|new system prompt|new system message|system update|system notice|system alert|priority override|authorization code|important system|message from the system|message from openai|message from anthropic|message from the developer|i am your developer|i am the developer|i'm your developer|i am the administrator|i am your creator|as your developer|ende der anweisung|ende des systemprompts|fin des instructions|fin du prompt|fin de las instrucciones|fin del prompt|fine delle istruzioni|fim das instrucoes|einde van de instructies|конец инструкций|конец системного|я твой разработчик|ich bin dein entwickler|je suis ton developpeur|soy tu desarrollador|sono il tuo sviluppatore|sou seu desenvolvedor",
  ],
  secrecy: [
    "do not tell the user|don't tell the user|do not inform the user|don't inform the user|never tell the user|never inform the user|without telling the user|without informing the user|without the user knowing|without notifying|do not mention this|never mention this|never mention it|never mention that|do not mention the|don't mention this|do not reveal this|don't reveal this|do not disclose this|keep this secret from|hide this from|do not let the user|don't let the user|user must not know|user should not know|user must not see|do not ask for confirmation|without asking|without confirmation|do not acknowledge|secretly|do not mention these|do not mention that|don't mention that",
    'sag dem nutzer nicht|sage dem nutzer nicht|sag dem benutzer nicht|sage dem benutzer nicht|ohne den nutzer|ohne den benutzer|ohne es dem|erwahne dies nicht|erwahne das nicht|erwahne nicht|heimlich',
    "ne dis pas a l'utilisateur|ne le dis pas|sans le dire|sans informer|sans prevenir|ne mentionne pas|en secret|no le digas al usuario|no se lo digas|sin decirle|sin informar|sin avisar|no menciones|en secreto",
    "non dire all'utente|non dirlo|senza dirlo|senza informare|senza avvisare|non menzionare|di nascosto|nao diga ao usuario|nao conte ao usuario|sem avisar|sem informar|nao mencione|secretamente",
    'vertel de gebruiker niet|zonder de gebruiker|vermeld dit niet|stiekem|не говори пользователю|не сообщай пользователю|без ведома|не упоминай|тайно|втайне',
  ],
  'to-the-model': [
    "note to ai|note to the ai|note to llm|note for ai|attention ai|attention all ai|attention llm|attention language model|attention assistant|attention chatbot|ai assistants must|ai assistants should|ai models must|ai models reading|ai reading this|llm reading this|model reading this|if you are an ai|if you're an ai|if you are a language model|if you are an llm|if you are an assistant|if you're a large language|to any ai|to the ai|to all ai|instructions for the ai|instructions for ai|instruction to the ai|instructions to the assistant|instructions for the assistant|message to the ai|dear ai|dear assistant|hey ai|ai agent must|ai agents must|when summarizing this|when processing this|when you summarize|when reading this page|llm instruction|ai instruction|important instructions for",
    "hinweis an die ki|an die ki|wenn du eine ki|falls du eine ki|ki assistent|a l'attention de l'ia|si tu es une ia|si vous etes une ia|a toda ia|si eres una ia|si eres un modelo|atencion ia|nota para la ia|se sei un'ia|se sei un modello|nota per l'ia|se voce e uma ia|se voce for uma ia|nota para a ia|als je een ai bent|если ты ии|если вы ии|внимание ии|если ты языковая модель|инструкция для ии",
  ],
  send: [
    'send|post$|forward|upload|exfiltrat|append|transmit|email|embed|attach|encode|include|insert|schick|sende|leite|hange|envoie|ajoute|transmets|envia|anade|agrega|reenvia|invia|aggiungi|inoltra|envie|anexe|adicione|stuur|verstuur|voeg|отправь|перешли|добавь|пошли',
  ],
  'private-data': [
    "the conversation|this conversation|entire conversation|whole conversation|conversation history|chat history|chat log|previous messages|all messages|user's data|user data|user's email|user's message|user's name|user's private|user's personal|user's credentials|user's password|user's api|environment variable|env file|private key|ssh key|api keys|all secrets|the secrets|passwords|credentials|session token|access token|den chatverlauf|die unterhaltung|das gesprach|nutzerdaten|zugangsdaten|passworter|l'historique|la conversation|les mots de passe|identifiants|la conversacion|el historial|las contrasenas|credenciales|la conversazione|cronologia|le credenziali|a conversa|o historico|as senhas|credenciais|het gesprek|de gespreks|wachtwoorden|переписку|историю|пароли|ключи|учетные данные|данные пользователя",
  ],
  about: [
    'prompt injection|prompt injections|injection attack|jailbreaking|jailbreaks$|jailbreak attempts|attacker|attack|adversarial|malicious|red team|detect|classif|owasp|guardrails|security|vulnerab|research|for example|such as|e g$|example of|examples of|called|known as|phrase|mitigat|defend|defense|test case|regex|blocklist|angreif|angriff|zum beispiel|attaque|par exemple|ataque|por ejemplo|attacc|ad esempio|por exemplo|aanval|bijvoorbeeld|атак|например|злоумышленник',
  ],
};

/** The same for scripts that set no blanks between words: found wherever they stand. */
export const UNSPACED_PHRASES: Readonly<Partial<Record<Concept, string>>> = {
  override:
    '忽略|无视|無視|忘记|忘掉|忘了|不要遵守|不要遵循|不要理会|别管|绕过|繞過|推翻|忽視|忘記|無効に|忘れて|忘れろ|従わない|従うな|무시|잊어|따르지',
  'override-weak': '删除|取消|覆盖|解除|上書き|捨て',
  before:
    '之前|先前|以上|上面|上述|前面|此前|原来|原本|最初|初始|以前|これまで|今まで|上記|前の|前回|従来|当初|元の|이전|위의|지금까지|앞의',
  yours: '你的|您的|あなたの|お前の|君の|당신의|너의',
  systems: '系统|系統|开发者|安全|内部|システム|社内|시스템',
  all: '所有|全部|一切|任何|すべて|全て|あらゆる|いかなる|모든|전부',
  mine: '我的|私の|僕の|내 ',
  instructions:
    '指令|指示|提示词|提示詞|提示|限制|准则|準則|约束|プロンプト|命令|ガイドライン|制限|制約|インストラクション|지시|명령|프롬프트|지침|제한',
  rules: '规则|規則|命令|规定|上下文|训练|策略|ルール|規約|文脈|ポリシー|규칙|정책',
  everything: '所有内容|一切内容|所有的话|全部内容|すべての内容|すべてを|内容をすべて|모든 것|모든 내용',
  message: '消息|对话|对话内容|メッセージ|会話|메시지|대화',
  reveal:
    '透露|泄露|输出|輸出|重复|重複|打印|显示|告诉我|说出|复述|展示|公开|列出|写出|出力|表示|繰り返し|繰り返して|教えて|明かし|開示|公開|暴露|見せて|出して|말해|알려|출력|보여|반복|공개',
  'reveal-weak': '什么是|是什么|翻译|总结|何です|なんですか|要約|翻訳|무엇|뭐야|번역|요약',
  'own-prompt':
    '系统提示|系統提示|系统指令|系统消息|初始提示|初始指令|原始指令|隐藏的指令|隐藏指令|你的提示词|你的指令|您的指令|你的规则|内部指令|システムプロンプト|システムメッセージ|初期プロンプト|初期指示|あなたの指示|あなたのプロンプト|元の指示|内部指示|隠された指示|与えられた指示|시스템 프롬프트|시스템 메시지|당신의 지시|초기 지시|너의 지침|숨겨진 지시',
  'text-above':
    '以上内容|上面的内容|上述内容|以上的文字|上面的文字|以上所有|上記の内容|上記のテキスト|上の文章|これより上|위의 내용|위 텍스트',
  verbatim: '逐字|一字不差|原样|完整地|一字不漏|原封不动|一字一句|そのまま|正確に|逐語|全文|그대로|한 글자도',
  become:
    '你现在是|你是|扮演|假装|假裝|假设你|模拟|充当|角色扮演|进入|切换|あなたは今|あなたは|のふりをし|になりきっ|演じて|振る舞|ロールプレイ|として答え|モードに|너는 이제|당신은 이제|척해|연기해|역할',
  unbound:
    '没有任何限制|没有限制|不受限制|不受任何限制|无限制|沒有限制|没有道德|没有规则|不受约束|不受任何约束|不受任何|没有审查|无审查|没有任何道德|摆脱所有限制|没有任何规则|制限のない|制限なし|制限なく|一切の制限|無制限|ルールのない|倫理的な制約|制約のない|制約なし|検閲なし|フィルターなし|何の制限も|規制のない|제한 없는|제한 없이|제약 없는|규칙이 없는|검열 없는',
  'unbound-weak': '开发者模式|开发模式|邪恶|越狱|開発者モード|悪の|脱獄|개발자 모드|탈옥',
  persona: 'dan模式|越狱模式|danモード|脱獄モード|dan 모드',
  'from-now-on': '从现在开始|从现在起|现在起|今後は|これから|今から|これ以降|지금부터|이제부터',
  'new-orders':
    '新的指令|新指令|新任务|你的新|只回答|只输出|直接说|新しい指示|新たな指示|新しいタスク|代わりに|새로운 지시|대신',
  marker:
    '系统更新|系统通知|管理员模式|我是你的开发者|我是管理员|系统提示结束|提示结束|指令结束|システム更新|管理者モード|私は開発者|指示の終わり|プロンプト終了|시스템 업데이트|관리자 모드',
  secrecy:
    '不要告诉用户|别告诉用户|不要让用户知道|不要提及|不告诉用户|在用户不知情|偷偷|秘密地|ユーザーに知らせず|ユーザーには言わ|ユーザーに伝えない|ユーザーに知られ|言及しない|こっそり|密かに|사용자에게 알리지|몰래|언급하지',
  'to-the-model':
    '如果你是ai|如果你是人工智能|如果你是语言模型|致ai|给ai的|ai助手请|ai助手必须|ai模型请|aiへの|もしあなたがai|aiアシスタントは|言語モデルへの|이 글을 읽는 ai',
  send: '发送|發送|附加|转发|上传|嵌入|送信|添付|転送|アップロード|埋め込|보내|전송|첨부',
  'private-data':
    '对话记录|聊天记录|整个对话|用户数据|用户的|密码|密钥|凭据|会話履歴|会話の内容|ユーザーの|パスワード|認証情報|機密|대화 내용|비밀번호|사용자의',
  about:
    '提示注入|提示词注入|攻击|例如|比如|检测|安全研究|恶意|プロンプトインジェクション|攻撃|例えば|検出|研究|悪意|프롬프트 인젝션|공격|예를 들어',
};
