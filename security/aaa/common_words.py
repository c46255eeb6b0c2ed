"""What people take for a password when they are made to, as far as it is tried first.

Written by hand for this platform from what its users have around them, in the languages that it is
used in: no list of leaked passwords was copied. `KEYBOARDS` and `ALPHABETS` are looked for in runs
of any length, forwards and backwards.
"""

from __future__ import annotations

WORDS = frozenset(
    """
    password passwort passwd passcode passphrase motdepasse contrasena parola wachtwoord geheim
    secret secreto segreto access zugang login signin logon anmelden connexion welcome willkommen
    bienvenue benvenuto bienvenido hello hallo bonjour ciao hola letmein openup opensesame sesame
    admin administrator administrateur root superuser sysadmin system operator operateur user
    username utilisateur benutzer guest gast default standard changeme change replace temporary
    temp test testing tester demo sample example beispiel trial master server service
    database backup office company firma computer laptop internet network wireless router gateway
    cloud device sensor meter counter light lamp street borough city town village stadt ville citta
    ciudad gemeinde commune municipality rathaus mairie council water power energy energie traffic
    parking platform project data account konto compte
    love liebe amour amore iloveyou loveyou teamo jetaime baby angel princess prince queen king
    dragon monkey tiger lion eagle falcon wolf bear panther horse dog cat puppy kitty fish bird
    football soccer baseball basketball hockey tennis golf ferrari porsche mercedes harley yamaha
    superman batman spiderman starwars pokemon matrix ninja pirate wizard warrior hunter killer
    shadow sunshine flower rainbow freedom liberty peace happy lucky money dollar euro diamond
    silver golden cookie chocolate banana orange cherry apple peach coffee pizza pepper
    summer winter spring autumn sommer herbst fruehling ete hiver automne printemps
    january february march april may june july august september october november december
    januar februar maerz mai juni juli oktober dezember janvier fevrier mars avril juin juillet
    aout septembre octobre novembre decembre
    monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag
    freitag samstag sonntag lundi mardi mercredi jeudi vendredi samedi dimanche
    red green blue black white yellow purple pink brown grey gray rot gruen blau schwarz weiss
    michael daniel thomas andreas martin peter robert david charlie george jennifer jessica michelle
    nicole sandra andrea maria anna sophie emma julia laura ashley
    berlin london paris madrid rome roma vienna wien zurich zuerich geneva geneve genf lausanne bern
    basel sion munich hamburg brussels
    please thankyou whatever nothing something forever always never trustno trust god jesus
    first second third one two three four five six seven eight nine zero
    abc abcd qwerty qwertz azerty asdf zxcv yxcv qaz wsx edc iot mqtt modbus the and
    """.split()
)

KEYBOARDS = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6z7u8i9o0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
)
"""Neighbours on keyboards."""

ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "0123456789")
