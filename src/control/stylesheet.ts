// How the pages look; the names of the classes are Supervisor's.

export const stylesheet = `body { margin: 1.5em auto; max-width: 75em; padding: 0 1em; font: 14px/1.5 sans-serif; color: #222; }
a { color: inherit; }
h1 { font-size: 1.3em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .3em .6em; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
ul { margin: 0; padding: 0; list-style: none; }
li { display: inline-block; margin-right: .8em; }
#buttons { margin-bottom: 1em; }
#footer { margin-top: 2em; color: #666; }
.status_msg { margin: 1em 0; padding: .5em .8em; background: #ffd; border: 1px solid #dd9; }
.status span { padding: .1em .5em; border-radius: .3em; color: #fff; background: #777; }
.status .statusrunning { background: #2a7d2a; }
.status .statuserror { background: #b32020; }
.shade { background: #f6f6f6; }
`;
